"""A trained model for the items of another catalogue, by what their texts say: nothing is trained.

All that was learned is kept but for what belongs to single items: identities, their weight beside
the texts, biases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from penchant.bundle import Bundle
from penchant.config import Config, build_model, build_roles
from penchant.errors import ConfigError, InputError
from penchant.events import FeatureEncoder, PreparedData
from penchant.items import MixtureItems, TextReading, TextTable
from penchant.items.text import TextSource
from penchant.texts.tokens import TokenRows
from penchant.training.carrying_over import carry_over
from penchant.training.content import Told, item_content
from penchant.training.likeness import choose_likeness
from penchant.training.runs import Run

CHANGEABLE: Final = ("events.", "evaluation.", "likeness.", "text.template")
"""How the settings begin that may be others on the other catalogue."""

MOVABLE: Final = frozenset({"identity", "text", "features"})
"""Sources of a mixture that can speak of another catalogue, or be left out there."""


def transfer(
    source: Bundle,
    data: PreparedData,
    *,
    settings: Iterable[str] | Mapping[str, Any] = (),
    own_mean: bool = True,
    choose: bool = False,
    told: Told | None = None,
) -> Bundle:
    """Return a trained model for the items of prepared data.

    Parameters
    ----------
    source
        Its items are a mixture, texts among the sources.
    data
        Its items have texts.
    settings
        Changed on the way, where types of events have other names: those of `events`,
        `evaluation`, `likeness`, and `text.template`.
    own_mean
        Whether texts are centred at the mean of the new ones, or else of the source's.
    choose
        Whether the numbers of `[likeness]` are chosen on the validation part of the new data; those
        of the source otherwise.
    told
        Hears which language model was used, and what was chosen.

    Raises
    ------
    InputError
        When the source reads no texts, or what cannot be had for other items.
    ConfigError
        When the items have no texts, a setting cannot be changed so, or it names types of events
        that the data does not have.
    EnvironmentFault
        When the language model of the source is not there.

    Notes
    -----
    No item has an identity, all have the same bias. Types of events that the source does not know
    are read as its first.
    """
    _check_source(source)
    config = source.config.override(settings)
    _check_settings(source.config, config)
    build_roles(config, data.event_types)
    found = item_content(data, config, told, text_of(source), own_mean)
    assert found.text is not None, "texts are among the sources"
    text = replace(found.text, reading=None)  # read once, and not trained any more
    content = replace(found, counts=torch.zeros_like(found.counts), text=text)
    types = *data.event_types, *(t for t in source.event_types if t not in data.event_types)
    with torch.random.fork_rng(devices=[]):  # identities are drawn and never looked at
        torch.manual_seed(0)
        sizes = len(data.items), len(types)
        model = build_model(config, *sizes, data.features, content, data.user_features)
    carry_over(model, source, data, by_id=False)
    if choose:
        choose_likeness(model.eval(), data, config, told)
    return Bundle(
        model=model.eval(),
        config=config,
        vocabulary=data.items,
        item_table=data.item_table,
        encoder=data.encoder,
        event_types=types,
        item_counts=np.zeros(len(data.items), dtype=np.int64),
        facts={
            "fingerprint": data.fingerprint,
            "split": data.manifest.get("split"),
            "has_times": data.has_times,
            "num_users": 0,
            "num_items": len(data.items),
            "num_train_events": 0,
            "transferred_from": {
                "bundle": source.id,
                "fingerprint": source.facts["fingerprint"],
                "num_train_events": source.facts["num_train_events"],
            },
            **{name: source.facts[name] for name in ("text",) if name in source.facts},
        },
        text_weights=source.text_weights,
        user_encoder=data.user_encoder if model.profile.is_read else FeatureEncoder(),
    )


def transfer_run(
    source: str | Path,
    data: PreparedData,
    run_dir: str | Path,
    *,
    overwrite: bool = False,
    data_path: str | Path | None = None,
    **options: Any,
) -> tuple[Run, Bundle]:
    """Transfer a run or a bundle, and keep what comes of it as a run that can be evaluated.

    Parameters
    ----------
    source
        Directory of a run or of a bundle.
    data, options
        As `transfer` takes them.
    run_dir, overwrite, data_path
        As `train` takes them.

    Raises
    ------
    OutputExistsError
        When there is a run and `overwrite` is off.
    """
    bundle = transfer(Bundle.load(source), data, **options)
    run = Run.create(
        run_dir,
        data,
        bundle.config,
        overwrite=overwrite,
        data_path=data_path,
        origin={
            "transferred_from": {
                "path": str(Path(source).resolve()),
                "bundle": bundle.facts["transferred_from"]["bundle"],
            }
        },
    )
    bundle.save(run.bundle)
    run.update(state="done", reason="transferred", bundle=bundle.id)
    return run, bundle


def text_of(source: Bundle) -> TextTable | None:
    """Return how the texts of a bundle's items were turned, None where it reads none.

    With the weights of the language model, where these were trained.
    """
    items = source.model.items
    texts = items.texts if isinstance(items, MixtureItems) else None
    if not isinstance(texts, TextSource):
        return None
    settings = source.config.text
    told = source.facts.get("text", {"model": settings.model, "fingerprint": ""})
    reading = None
    if source.text_weights:
        nothing = TokenRows.from_lists([])
        how = settings.adaptation, settings.lora_rank, settings.checkpointing
        reading = TextReading(nothing, *how, source.text_weights)
    names = told["model"], told["fingerprint"]
    return TextTable(texts.vectors, texts.mean, texts.turn, *names, reading)


def _check_source(source: Bundle) -> None:
    settings = source.config.items.settings
    sources = settings.get("sources", ())
    if "text" not in sources:
        found = f"items.sources {list(sources)}" if sources else source.config.items.kind
        raise InputError(
            "Only a model that reads items by their texts can be transferred, but this one has "
            f"{found}.",
            'Train it with --set items.kind=mixture --set items.sources=["text"].',
        )
    fixed = [name for name in sources if name not in MOVABLE]
    if fixed:
        raise InputError(
            f'The source "{fixed[0]}" of items.sources speaks of the items of its own catalogue '
            "alone, so that the model cannot be transferred.",
            'Train it with --set items.sources=["text"].',
        )


def _check_settings(before: Config, after: Config) -> None:
    fixed = [key for key in before.differences(after) if not key.startswith(CHANGEABLE)]
    if fixed:
        raise ConfigError(
            f"A model that is transferred keeps its settings, but {', '.join(fixed)} would change.",
            "Only the sections events, evaluation and likeness, and text.template, can be others.",
        )
