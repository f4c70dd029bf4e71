"""What a training leaves and everything else takes: one directory with all that scoring needs.

Weights as safetensors, everything else as JSON, TOML and Parquet. A manifest holds the checksum of
every file; reading runs no code and needs neither the log nor the run.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from penchant import __version__
from penchant.baselines import SegmentPopular
from penchant.config import Config, build_model
from penchant.errors import ConfigError, CorruptBundleError, MissingFileError
from penchant.events import FeatureEncoder, GraphNames, PreparedData, Vocabulary
from penchant.events.directories import (
    check_files,
    checksums,
    read_manifest,
    write_json,
    writing_directory,
)
from penchant.items import GraphTable, ItemContent, MixtureItems, Profiles, TextTable
from penchant.model import InterestModel

FORMAT: Final = 1
KIND: Final = "bundle"
MARKER: Final = "bundle.json"
GRAPH_NAMES: Final = "graph_names.parquet"
TEXT_WEIGHTS: Final = "text_weights.safetensors"
USER_FEATURES: Final = "user_features.json"
QUESTIONS: Final = "questions.json"
_AGAIN: Final = "Copy the bundle again, or train anew."


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that it needs.

    Parameters
    ----------
    model
        In evaluation mode, on the processor.
    config
        The settings it was built and trained with.
    vocabulary
        Outside ids of the items by index.
    item_table
        Row i describes item i: `item_id` and attributes.
    encoder
        Turns attributes of items into numbers, also those of items that come later.
    user_encoder
        The same for users; it knows no attributes where the model reads none.
    event_types
        Names of the kinds of behaviour by index.
    item_counts
        (I,) int64 training events of each item.
    facts
        What it was trained on, fit for JSON: fingerprint, split, counts.
    graph
        Names of entities and relations, where the model reads items by a graph.
    text_weights
        Trained weights of the language model that read the texts, where it was trained, without
        those that it had before; items that come later are read with them.
    first_list
        What is popular among whom, for a list to somebody new; older bundles have none.
    questions
        What to ask somebody new, where it was chosen to be kept, as plain values.

    Relations
    ---------
    Scores of `Bundle.load(directory)` equal those of the bundle that was saved, bit for bit.
    """

    model: InterestModel
    config: Config
    vocabulary: Vocabulary
    item_table: pl.DataFrame
    encoder: FeatureEncoder
    event_types: tuple[str, ...]
    item_counts: np.ndarray
    facts: dict[str, Any]
    user_encoder: FeatureEncoder = field(default_factory=FeatureEncoder)
    graph: GraphNames | None = None
    text_weights: dict[str, Tensor] = field(default_factory=dict)
    first_list: SegmentPopular | None = None
    questions: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        model: InterestModel,
        config: Config,
        data: PreparedData,
        text: TextTable | None = None,
    ) -> Bundle:
        """Bundle a model with the data that it was trained on, and say who read its texts.

        A language model in training gives place to the vectors that it makes of the texts now.
        """
        train, items = data.log.train, model.eval().items
        weights = items.fix_texts() if isinstance(items, MixtureItems) else {}
        return cls(
            model=model.cpu(),
            config=config,
            vocabulary=data.items,
            item_table=data.item_table,
            encoder=data.encoder,
            event_types=data.event_types,
            item_counts=np.bincount(train.item_index, minlength=len(data.items)),
            facts={
                "fingerprint": data.fingerprint,
                "split": data.manifest.get("split"),
                "has_times": data.has_times,
                "num_users": int((train.lengths > 0).sum()),
                "num_items": len(data.items),
                "num_train_events": train.num_events,
                **_told_text(text),
            },
            user_encoder=data.user_encoder if model.profile.is_read else FeatureEncoder(),
            graph=data.graph.names if data.graph is not None and _reads_graph(model) else None,
            text_weights=weights,
        )

    def profiles(self, users: pl.DataFrame | None) -> Profiles | None:
        """Return attributes of users as the model reads them, one row for each user.

        None where the model reads none, or there is no table: nothing is known of them then.
        """
        if users is None or not self.model.profile.is_read:
            return None
        return Profiles.of(self.user_encoder.transform(users))

    @cached_property
    def id(self) -> str:
        """Short name of the content: the same for the same weights, settings, ids and facts.

        Notes
        -----
        Attributes that are only shown, such as titles, do not count.
        """
        digest = hashlib.sha256()
        described = {**self._described(), "ids": self.vocabulary.ids}
        digest.update(json.dumps(described, sort_keys=True, ensure_ascii=False).encode())
        trained = {f"text.{name}": tensor for name, tensor in self.text_weights.items()}
        for name, tensor in sorted({**self._tensors(), **trained}.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the bundle as a directory that can be copied to another machine.

        Raises
        ------
        OutputExistsError
            When the directory exists and is not to be overwritten, or is something else.
        """
        with writing_directory(directory, MARKER, overwrite=overwrite) as path:
            save_file(self._tensors(), path / "weights.safetensors")
            if self.text_weights:
                save_file(self.text_weights, path / TEXT_WEIGHTS)
            self.item_table.write_parquet(path / "items.parquet")
            (path / "config.toml").write_text(self.config.to_toml(), encoding="utf-8")
            write_json(path / "features.json", self.encoder.to_dict())
            if self.model.profile.is_read:
                write_json(path / USER_FEATURES, self.user_encoder.to_dict())
            if self.graph is not None:
                self.graph.to_frame().write_parquet(path / GRAPH_NAMES)
            if self.first_list is not None:
                self.first_list.save(path)
            if self.questions is not None:
                write_json(path / QUESTIONS, self.questions)
            manifest = {
                "kind": KIND,
                "format": FORMAT,
                "version": __version__,
                "id": self.id,
                "event_types": list(self.event_types),
                "facts": self.facts,
                "files": checksums(path),
            }
            write_json(path / MARKER, manifest)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Bundle:
        """Read a bundle, or that of a run.

        Raises
        ------
        MissingFileError
            When there is none, or the run's training is not done.
        CorruptBundleError
            When a file is missing, cut, altered, or written in a newer format, by name.
        """
        path = bundle_directory(directory)
        manifest = read_manifest(path, MARKER, KIND, FORMAT)
        try:
            check_files(path, manifest["files"])
            item_table = pl.read_parquet(path / "items.parquet")
            encoder = FeatureEncoder.from_dict(_read_json(path / "features.json"))
            user_encoder = _user_encoder(path)
            event_types = tuple(manifest["event_types"])
            text = (path / "config.toml").read_text(encoding="utf-8")
            config = Config.from_toml(text, str(path / "config.toml"))
            tensors = load_file(path / "weights.safetensors")
            item_counts = tensors.pop("item_counts").numpy()
            with torch.random.fork_rng(devices=[]):  # fresh weights are drawn, and overwritten
                features = encoder.transform(item_table)
                sizes = item_table.height, len(event_types)
                content = _content_of(tensors, item_counts, config)
                nobody = user_encoder.transform(pl.DataFrame({"user_id": []}))
                model = build_model(config, *sizes, features, content, nobody)
            model.load_state_dict(
                {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
            )
            return cls(
                model=model.eval(),
                config=config,
                vocabulary=Vocabulary(item_table["item_id"]),
                item_table=item_table,
                encoder=encoder,
                event_types=event_types,
                item_counts=item_counts,
                facts=manifest["facts"],
                user_encoder=user_encoder,
                graph=_graph_names(path, item_table),
                text_weights=_text_weights(path),
                first_list=SegmentPopular.load(path),
                questions=_questions(path),
            )
        except (KeyError, TypeError, RuntimeError, ConfigError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise CorruptBundleError(f"{path} does not fit together: {reason}", _AGAIN) from error

    def _described(self) -> dict[str, Any]:
        """Return all but tensors and items, fit for JSON."""
        described = {
            "config": self.config.to_dict(),
            "encoder": self.encoder.to_dict(),
            "event_types": self.event_types,
            "facts": self.facts,
        }
        of_users = {"user_encoder": self.user_encoder.to_dict()}
        described |= of_users if self.model.profile.is_read else {}
        if self.graph is not None:
            described["graph"] = self.graph.to_frame().to_dict(as_series=False)
        return described

    def _tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name; cloned, since a file holds each of them by itself."""
        tensors = {
            f"model.{name}": tensor.detach().cpu().clone().contiguous()
            for name, tensor in self.model.state_dict().items()
        }
        return {**tensors, "item_counts": torch.as_tensor(self.item_counts, dtype=torch.int64)}


def bundle_directory(path: str | os.PathLike[str]) -> Path:
    """Return the directory of a bundle, given it or the run that made it.

    Raises
    ------
    MissingFileError
        When a run has no bundle yet.
    """
    given = Path(path)
    run = given / "run.json"
    if not run.is_file() or (given / MARKER).is_file():
        return given
    if not (given / "bundle" / MARKER).is_file():
        state = _read_json(run).get("state")
        raise MissingFileError(
            f"{given} has no bundle yet: its training is {state}.",
            f"Finish it with: penchant train DATA --out {given} --resume",
        )
    return given / "bundle"


def _content_of(tensors: dict[str, Tensor], item_counts: np.ndarray, config: Config) -> ItemContent:
    """Return content of the sizes that stored weights have, to read these into."""
    turn = tensors.get("model.items.sources.text.turn")
    if turn is None and config.items.settings.get("start_from_text"):
        turn = torch.zeros(1, 1)  # identities started from texts, which are not kept
    text = None if turn is None else TextTable.blank(len(item_counts), *turn.shape)
    graph = _blank_graph(tensors, "model.items.sources.graph.")
    return ItemContent(torch.as_tensor(item_counts), text, graph=graph)


def _blank_graph(tensors: dict[str, Tensor], prefix: str) -> GraphTable | None:
    relations = tensors.get(f"{prefix}relations.weight")
    if relations is None:
        return None
    inside = f"{prefix}graph."
    shapes = {
        name.removeprefix(inside): len(tensor)
        for name, tensor in tensors.items()
        if name.startswith(inside)
    }
    return GraphTable.blank(shapes, len(relations))


def _told_text(text: TextTable | None) -> dict[str, Any]:
    """Return the fact of which language model read the texts, and whether it was trained."""
    if text is None:
        return {}
    how = {} if text.reading is None else {"adaptation": text.reading.adapt}
    return {"text": {"model": text.model, "fingerprint": text.fingerprint, **how}}


def _text_weights(path: Path) -> dict[str, Tensor]:
    stored = path / TEXT_WEIGHTS
    return load_file(stored) if stored.is_file() else {}


def _reads_graph(model: InterestModel) -> bool:
    return isinstance(model.items, MixtureItems) and "graph" in model.items.sources


def _graph_names(path: Path, item_table: pl.DataFrame) -> GraphNames | None:
    stored = path / GRAPH_NAMES
    if not stored.is_file():
        return None
    return GraphNames.from_frame(Vocabulary(item_table["item_id"]), pl.read_parquet(stored))


def _questions(path: Path) -> dict[str, Any] | None:
    stored = path / QUESTIONS
    return _read_json(stored) if stored.is_file() else None


def _user_encoder(path: Path) -> FeatureEncoder:
    """Return what reads attributes of users; older bundles have no file and read none."""
    stored = path / USER_FEATURES
    return FeatureEncoder.from_dict(_read_json(stored)) if stored.is_file() else FeatureEncoder()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptBundleError(f"{path} is cut or altered: {error}.", _AGAIN) from error
