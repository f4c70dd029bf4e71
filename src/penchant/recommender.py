"""`Recommender`: from prepared data to a fitted model, its figures, and lists for anybody.

The same artefact in a notebook, on the command line and behind `Live`. What it does is done in the
rooms below; here their parts are put together under the names that people write.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import polars as pl

from penchant.bundle import Bundle
from penchant.config import Config, build_labels, build_roles, told_roles
from penchant.errors import InputError, MissingExtraError, UsageError
from penchant.evaluation import Report, checked_part, evaluate_model
from penchant.events import Part, PreparedData
from penchant.events.given import check_given
from penchant.items import Profiles
from penchant.serving.batches import aligned, lists_of, table_of, user_indices
from penchant.serving.events import time_ms_of
from penchant.serving.first_list import DIVERSITY, first_list
from penchant.serving.histories import OnUnknown, in_order, unknown_items
from penchant.serving.later_items import with_later_items
from penchant.serving.onboarding import NUM_USERS, Onboarding, onboarding
from penchant.serving.ranking import RankedItem, Ranker
from penchant.training import Run, train, transfer
from penchant.training.baseline_texts import baseline_vectors

if TYPE_CHECKING:
    import pandas as pd


class Recommender:
    """A configuration, and once fitted or loaded the bundle that it became.

    Parameters
    ----------
    config
        All settings.
    bundle
        What training left, `None` before `fit`.
    run_dir
        The run that the bundle belongs to, if it has one.

    Examples
    --------
    >>> Recommender.from_config("default", width=32).config.width
    32
    """

    def __init__(
        self, config: Config, bundle: Bundle | None = None, run_dir: Path | None = None
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self._bundle = bundle
        self._ranker: Ranker | None = None
        self._data: PreparedData | None = None

    @classmethod
    def from_config(cls, name_or_path: str | Path = "default", **settings: Any) -> Self:
        """Take the name of a recipe or the path of a file, and settings on top of it.

        Parameters
        ----------
        settings
            `width=32`, or a section: `training={"num_epochs": 5}`.

        Raises
        ------
        ConfigError
            When a recipe, a setting or a value is not known.
        """
        return cls(Config.load(name_or_path, settings))

    def fit(
        self,
        data: PreparedData,
        run_dir: str | Path | None = None,
        *,
        resume: bool = False,
        overwrite: bool = False,
        progress: str = "auto",
        warm_start: str | Path | None = None,
    ) -> Self:
        """Train on the training part of prepared data.

        Parameters
        ----------
        run_dir
            Keeps checkpoints, curves and the bundle; a temporary folder when left out.
        resume
            Go on with the training that stands there.
        overwrite
            Begin anew where one stands.
        progress
            `auto`, `bar`, `plain` or `none`.
        warm_start
            A run or bundle of the same settings whose weights are started from.
        """
        options: dict[str, Any] = {
            "resume": resume,
            "overwrite": overwrite,
            "warm_start": warm_start,
        }
        with tempfile.TemporaryDirectory(prefix="penchant-run-") as scratch:
            place = Path(run_dir) if run_dir is not None else Path(scratch) / "run"
            done = train(data, self.config, place, reporter=progress, **options)
            self._take(done.bundle, place if run_dir is not None else None)
        self._data = data
        return self

    def _take(self, bundle: Bundle, run_dir: Path | None) -> None:
        self._bundle, self._ranker, self.run_dir = bundle, None, run_dir

    @property
    def bundle(self) -> Bundle:
        """What training left.

        Raises
        ------
        UsageError
            When nothing was fitted or loaded yet.
        """
        if self._bundle is None:
            raise UsageError(
                "The recommender must be fitted before it is used, and is not.",
                "Call fit(data), or Recommender.load(directory).",
            )
        return self._bundle

    @property
    def ranker(self) -> Ranker:
        """What makes lists."""
        if self._ranker is None:
            self._ranker = Ranker(self.bundle)
        return self._ranker

    def evaluate(
        self,
        data: PreparedData | str | Path | None = None,
        on: Part | str = "test",
        objective: str | None = None,
        **options: Any,
    ) -> Report:
        """Rank every target of a part, the baselines beside the model.

        A look at the test part is counted in the run, where the bundle belongs to one. A binary
        head is also asked how likely each target's item is taken.

        Parameters
        ----------
        data
            Prepared data or its folder; that of the training when left out.
        on
            `test` or `validation`.
        objective
            Whose targets are ranked where there are several objectives; the first when left out.
        options
            `ks=[10, 20]`, `exclude_seen=False`, `candidates="cold"`, baselines by
            `kinds=["popular", "mean_text"]`, and what else `evaluate_model` takes.

        Raises
        ------
        InputError
            When the data has another vocabulary than the model, or no event is a target.
        UsageError
            When the model has no such objective.
        """
        prepared = self.data(data)
        if prepared.items != self.bundle.vocabulary:
            raise InputError(
                f"A model is evaluated on data with its own {len(self.bundle.vocabulary):,} items, "
                f"but this data has {len(prepared.items):,}, or the same in another order.",
                "Evaluate on the data of the training, or on a copy of it.",
            )
        options = {
            "exclude_seen": self.config.evaluation.exclude_seen,
            "roles": build_roles(self.config, prepared.event_types),
            "objective": objective or "",
            "profiles": self.bundle.profiles(prepared.user_table),
            "vectors": baseline_vectors(prepared, self.config, options.get("kinds")),
            **options,
        }
        if self.config.head.kind == "binary":
            options = {"labels": build_labels(self.config, prepared.event_types), **options}
        report = evaluate_model(self.bundle.model, prepared, on, **options)
        told = told_roles(self.config, objective)
        report = replace(report, protocol={**report.protocol, **told})
        if checked_part(on) is Part.TEST and self.run_dir is not None:
            Run(self.run_dir).count_test_look()
        return report

    def recommend(
        self,
        users: Iterable[str] | Literal["all"] | None = None,
        histories: Iterable[Iterable[Any]] | None = None,
        data: PreparedData | str | Path | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        at: Any = None,
        unknown: OnUnknown = "skip",
        frame: Literal["polars", "pandas"] = "polars",
        objective: str | None = None,
        profiles: Iterable[Mapping[str, Any]] | None = None,
    ) -> pl.DataFrame | pd.DataFrame:
        """Return the k best items of each user, or of each bare history.

        Parameters
        ----------
        users
            Users of `data`, whose whole history is read, the test part included.
        histories
            One list per user: item ids, pairs (item id, timestamp), or mappings.
        at
            The time of asking, unknown when left out; later events of a history do not count.
        unknown
            Whether unknown items in a history are skipped or an error.
        objective
            What is asked for where there are several objectives; the first when left out.
        profiles
            Attributes of the user of each history, by name; of users without a history when alone.

        Returns
        -------
        A table `user_id, item_id, score, rank`; `user_id` of a history is its place in the list.

        Raises
        ------
        UsageError
            When not exactly one of `users` and `histories` is given, there is no such objective, or
            the model reads no attributes of users.
        InputError
            When an attribute is not among those of the training, or they are not as many as the
            histories.
        UnknownUserError, UnknownItemError
            When one is not there.
        """
        told = None if profiles is None else list(profiles)
        if users is None and histories is None and told is not None:
            histories = [()] * len(told)
        if (users is None) == (histories is None) or (users is not None and told is not None):
            raise UsageError(
                "recommend needs either users or histories, and exactly one of them; profiles go "
                "with histories, or stand alone.",
                'Say users=["u1"], data=data, or histories=[["item 5", "item 9"]].',
            )
        if histories is not None:
            asked = k, exclude_seen, at, unknown, objective, told
            lists, _ = self.lists_for_histories(histories, *asked)
            table = table_of([str(place) for place in range(len(lists))], lists)
        else:
            assert users is not None
            blocks = list(self.lists_for_users(users, data, k, exclude_seen, at, objective))
            table = pl.concat([table_of([], []), *(table_of(*block) for block in blocks)])
        return _framed(table, frame)

    def lists_for_histories(
        self,
        histories: Iterable[Iterable[Any]],
        k: int = 10,
        exclude_seen: bool = True,
        at: Any = None,
        unknown: OnUnknown = "skip",
        objective: str | None = None,
        profiles: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[list[tuple[RankedItem, ...]], list[str]]:
        """Return a list per bare history, and the unknown items that were skipped."""
        ordered = [in_order(history) for history in histories]
        skipped = unknown_items(ordered, self.ranker.items, unknown)
        log = self.ranker.arrays(ordered)
        asked = _time_or_none(at), objective or "", self._profiles(profiles, len(ordered))
        found = lists_of(self.ranker, log, k, exclude_seen, *asked)
        return [items for block in found for items in block], skipped

    def _profiles(
        self, given: Sequence[Mapping[str, Any]] | None, num_users: int
    ) -> Profiles | None:
        """Return attributes that somebody gives as the model reads them."""
        if given is None:
            return None
        if not self.bundle.model.profile.is_read:
            raise UsageError(
                "profiles need a model that reads attributes of users, but this one has "
                f'profile.kind "{self.config.profile.kind}".',
                "Train with --set profile.kind=prefix on data prepared with --users.",
            )
        if len(given) != num_users:
            raise InputError(
                f"profiles must be as many as the histories ({num_users}) but are {len(given)}.",
                "Give an empty one, {}, for a user of whom nothing is known.",
            )
        for each in given:
            check_given(each, self.bundle.user_encoder)
        return self.ranker.profiles(given)

    def lists_for_users(
        self,
        users: Iterable[str] | Literal["all"],
        data: PreparedData | str | Path | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        at: Any = None,
        objective: str | None = None,
    ) -> Iterator[tuple[list[str], list[tuple[RankedItem, ...]]]]:
        """Yield users and their lists, block by block, so that any number fits in memory."""
        prepared = self.data(data)
        if isinstance(users, str):
            if users != "all":
                raise UsageError(
                    f'users must be a list of ids or "all" but is "{users}".', 'Say users=["u1"].'
                )
            chosen = np.arange(len(prepared.users))
        else:
            chosen = user_indices(prepared, list(users))
        log = aligned(prepared.log.users(chosen), prepared, self.ranker)
        table = None if prepared.user_table is None else prepared.user_table[chosen]
        done = 0
        asked = _time_or_none(at), objective or "", self.bundle.profiles(table)
        for lists in lists_of(self.ranker, log, k, exclude_seen, *asked):
            of_block = chosen[done : done + len(lists)]
            done += len(lists)
            yield [prepared.users.id(int(user)) for user in of_block], lists

    def similar(self, item_id: str, k: int = 10) -> tuple[RankedItem, ...]:
        """Return the k items most like an item, by the cosine of their vectors.

        Raises
        ------
        UnknownItemError
            When the item is not in the vocabulary.
        """
        return self.ranker.similar(str(item_id), k)

    def add_items(self, items: Any) -> tuple[str, ...]:
        """Make items that came after the training recommendable, by what is said of them.

        Parameters
        ----------
        items
            A path or a frame with `item_id` and the attributes that the training had.

        Returns
        -------
        The ids of new items without a vector: the model does not read what is said of them.

        Notes
        -----
        Items of the training stay as they are. The bundle does not change: a saved one is that of
        the training.
        """
        self._ranker, without = with_later_items(self.ranker, items)
        return without

    def first_list(
        self,
        attributes: Mapping[str, Any] | None = None,
        k: int = 10,
        diversity: float = DIVERSITY,
    ) -> tuple[RankedItem, ...]:
        """Return k items for somebody new: popular of late among users like them, and varied.

        Parameters
        ----------
        attributes
            What is known of the user, by name.
        diversity
            From 0, the most popular items, to 1.

        Raises
        ------
        InputError
            When an attribute is not among those of the training, or diversity is out of range.
        """
        return first_list(self.ranker, attributes, k, diversity)

    def onboarding(
        self,
        k: int = 10,
        data: PreparedData | str | Path | None = None,
        *,
        num_users: int = NUM_USERS,
        seed: int = 0,
        heard: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Onboarding:
        """Return k items to ask somebody new about, so that the answers tell most.

        Those that the bundle keeps, where they are enough and no data is given. Otherwise they are
        chosen by simulation, and kept from now on: `save` writes them.

        Parameters
        ----------
        data
            Whose training part holds the users to simulate; that of the training when left out.
        num_users
            How many are simulated at most.
        heard
            Told how many trials are done, and of how many.

        Raises
        ------
        UsageError
            When the bundle keeps too few, no data is given and none is known.
        InputError
            When too few items are known by two users.
        """
        stored = self.bundle.questions
        if data is None and stored is not None and len(stored["questions"]) >= k:
            return Onboarding.from_dict(stored).first(k)
        chosen = onboarding(
            self.ranker, self.data(data), k, num_users=num_users, seed=seed, heard=heard
        )
        self._bundle = replace(self.bundle, questions=chosen.to_dict())
        return chosen

    def transfer(self, data: PreparedData | str | Path, **options: Any) -> Self:
        """Return this model for the items of other data, by what their texts say; untrained.

        `options` are those of `penchant.training.transfer`: `settings=[...]`, `own_mean=False`.
        """
        prepared = PreparedData.load(data) if isinstance(data, str | Path) else data
        bundle = transfer(self.bundle, prepared, **options)
        other = type(self)(bundle.config, bundle)
        other._data = prepared
        return other

    def save(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Write the bundle as a folder that can be copied to another machine."""
        self.bundle.save(directory, overwrite=overwrite)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read a bundle, or the bundle of a run.

        Raises
        ------
        MissingFileError
            When there is neither.
        CorruptBundleError
            When a file is missing, cut or altered, by name.
        """
        place = Path(directory)
        is_run = (place / "run.json").is_file()
        bundle = Bundle.load(place)
        return cls(bundle.config, bundle, place if is_run else None)

    def data(self, given: PreparedData | str | Path | None = None) -> PreparedData:
        """Return the prepared data to work on: what is given, else that of the training.

        Raises
        ------
        UsageError
            When none is given and none is known.
        """
        if isinstance(given, str | Path):
            return PreparedData.load(given)
        if given is not None:
            return given
        if self._data is None:
            self._data = PreparedData.load(self._data_path())
        return self._data

    def _data_path(self) -> Path:
        path = Run(self.run_dir).manifest["data"]["path"] if self.run_dir is not None else None
        if path is None:
            raise UsageError(
                "Prepared data is needed, and it is not known which.",
                "Say data=..., or --data DATA.",
            )
        return Path(path)


def _time_or_none(at: Any) -> int | None:
    return None if at is None else time_ms_of(at)


def _framed(table: pl.DataFrame, frame: str) -> Any:
    if frame == "polars":
        return table
    if frame != "pandas":
        raise UsageError(f'frame must be polars or pandas but is "{frame}".')
    try:
        return table.to_pandas()
    except ImportError as error:
        raise MissingExtraError(
            "A pandas frame needs pandas and pyarrow.", "pip install 'penchant[pandas]'"
        ) from error
