"""From an event log to prepared data: clean, code, split, keep what can be learned, describe.

Whatever is fitted (vocabulary, core, features, order of event types) is fitted on the training
part, except where leave-one-out is asked for: there the literature cores the whole log and
recommends all of its items, and so does this file, and says so among the leaks.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl

from penchant import __version__
from penchant.errors import InputError, UsageError
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.events.cleaning import CleaningOptions, StepRecord, clean
from penchant.events.coding import CodedLog, code_events
from penchant.events.columns import EventFrame
from penchant.events.cores import core_rows
from penchant.events.features import FeatureEncoder
from penchant.events.fingerprint import fingerprint
from penchant.events.holding_out import HoldOut
from penchant.events.item_graph import ItemGraph
from penchant.events.leaks import measure_leaks
from penchant.events.prepared import FORMAT, KIND, PreparedData
from penchant.events.splits import PUBLISHED_CORE, Split, assign, parse_split, steps_back
from penchant.events.vocabulary import Vocabulary

DEFAULT_SPLIT = "time:0.9"
"""The split of a log with times, where none is asked for."""


def prepare(
    event_frame: EventFrame,
    split: str | None = None,
    *,
    min_user_events: int = 1,
    min_item_events: int = 1,
    cold: Literal["keep", "drop"] = "keep",
    hold_out: HoldOut | None = None,
    cleaning: CleaningOptions | None = None,
) -> PreparedData:
    """Clean, split and code a log.

    Parameters
    ----------
    event_frame
        The log as it was read.
    split
        `time:0.9`, `time:2026-05-01`, `leave-one-out`, `published-time:0.9`, or `none`, which
        trains on everything; where there are times the first by default, else leave-one-out.
    min_user_events, min_item_events
        The core: users and items with fewer events are dropped until all have enough. Under
        `time` counted and dropped in the training part alone, so that they turn cold.
    cold
        `drop` leaves out validation and test events of users or items without training events.
    hold_out
        Under leave-one-out: items that are kept out of training.
    cleaning
        Further steps before the split.

    Raises
    ------
    UsageError
        When the split or `cold` is not known, or items cannot be held out beside them.
    InputError
        When the log is empty, or cannot be split so.
    """
    if cold not in ("keep", "drop"):
        raise UsageError(f"cold must be keep or drop, but {cold!r} was given.")
    if min(min_user_events, min_item_events) < 1:
        raise UsageError("min_user_events and min_item_events must be 1 or more.")
    rule = None if split is None else parse_split(split)
    cleaned, steps = clean(event_frame.frame, cleaning or CleaningOptions(), event_frame.order_by)
    coded = code_events(cleaned, event_frame.sort_keys)
    notes = list(event_frame.notes)
    if split is None or rule is None:
        split = _default_split(coded.log, event_frame.order_by, notes)
        rule = parse_split(split)
    if hold_out is not None:
        _check_hold_out(rule, split, cold)
    coded, told = _split(coded, rule, (min_user_events, min_item_events), steps)
    if rule.kind == "published-time":
        cold = "drop"
    _note_order(coded.log, notes)
    told = {"name": split, "cold": cold, **told}
    if cold == "drop":
        coded, told["cold_dropped"] = _drop_cold(coded, steps)
    item_codes = _vocabulary(coded, rule)  # items that are held out are candidates all the same
    if hold_out is not None:
        coded, told["held_out"] = _hold_out(coded, hold_out, steps, notes)
    return _finish(coded, rule, item_codes, event_frame, told, steps, notes)


def _default_split(log: LogArrays, order_by: str, notes: list[str]) -> str:
    if (log.time_ms == NO_TIME).any():
        why = "not every event has a time"
    elif order_by == "position":
        why = "events are ordered by position"
    else:
        return DEFAULT_SPLIT
    notes.append(
        f"Split by leave-one-out because {why}; it trains on events later than those tested on, "
        f"so its figures are higher than those that a time split would give."
    )
    return "leave-one-out"


def _split(
    coded: CodedLog, rule: Split, fewest: tuple[int, int], steps: list[StepRecord]
) -> tuple[CodedLog, dict[str, Any]]:
    """Core and split: by the whole log, or under `time` by the training part alone."""
    published = rule.kind == "published-time"
    users, items = (max(PUBLISHED_CORE if published else 1, number) for number in fewest)
    name = f"core of {users} events a user and {items} an item"
    by_training = rule.kind == "time"
    if not by_training:
        log = coded.log
        keep = core_rows(log.user, log.item_index, users, items, drop_repeats=published)
        name += ", without repeats in a row" if published else ""
        coded = _kept(coded, keep, name, steps)
    assigned = assign(rule, coded.log.time_ms, coded.log.offsets)
    coded = coded.with_part(assigned.part)
    if by_training:
        keep = coded.log.part != Part.TRAIN
        train = ~keep
        keep[train] = core_rows(coded.log.user[train], coded.log.item_index[train], users, items)
        coded = _kept(coded, keep, f"{name}, training part alone", steps)
    core = {
        "min_user_events": users,
        "min_item_events": items,
        "of": "training part" if by_training else "whole log",
    }
    return coded, {**assigned.to_dict(), "core": core}


def _drop_cold(
    coded: CodedLog, steps: list[StepRecord]
) -> tuple[CodedLog, dict[str, dict[str, int]]]:
    """Drop events of cold items, then those of cold users; say how many of each there were."""
    leaks = measure_leaks(coded.log)
    log, train = coded.log, coded.log.part == Part.TRAIN
    known_user = np.bincount(log.user[train], minlength=log.num_users) > 0
    known_item = np.bincount(log.item_index[train], minlength=len(coded.item_ids)) > 0
    keep = known_item[log.item_index]
    coded = _kept(coded, keep, "validation and test events of cold items", steps)
    keep = known_user[log.user][keep]
    coded = _kept(coded, keep, "validation and test events of cold users", steps)
    told = ("cold_users", "cold_user_targets", "cold_items", "cold_item_targets")
    return coded, {part: {name: of[name] for name in told} for part, of in leaks.items()}


def _check_hold_out(rule: Split, split: str, cold: str) -> None:
    if rule.kind != "leave-one-out":
        raise UsageError(
            f"Items are held out under the split leave-one-out alone, but it is {split}.",
            "Say --split leave-one-out, or leave the held-out items out: under other splits "
            "items without training events are cold by themselves.",
        )
    if cold == "drop":
        raise UsageError(
            "Items that are held out are cold, so cold must be keep beside them, but it is drop.",
            "Leave out --cold drop.",
        )


def _hold_out(
    coded: CodedLog, hold_out: HoldOut, steps: list[StepRecord], notes: list[str]
) -> tuple[CodedLog, dict[str, Any]]:
    """Drop the events of held-out items but for the targets of their own part."""
    has_events = np.bincount(coded.log.item_index, minlength=len(coded.item_ids)) > 0
    items = hold_out.draw(coded.item_ids, has_events)
    counts = items.to_dict(coded.log)
    coded = _kept(coded, items.keeps(coded.log), "other events of held-out items", steps)
    for part, of in counts.items():
        if not of["targets"]:
            notes.append(
                f"None of the {of['items']} items held out for {part} is a target there; hold out "
                "more, or draw with another seed."
            )
    return coded, {"share": hold_out.share, "seed": hold_out.seed, **counts}


def _kept(coded: CodedLog, keep: np.ndarray, name: str, steps: list[StepRecord]) -> CodedLog:
    num_dropped = len(keep) - int(keep.sum())
    if num_dropped == 0:
        return coded
    kept = coded.where(keep)
    if not (kept.log.part == Part.TRAIN).any():
        raise InputError(
            f"No event is left to train on after the step: {name} (it drops {num_dropped} of "
            f"{len(keep)} events).",
            "Ask for fewer events a user and an item.",
        )
    steps.append(StepRecord(name, num_dropped))
    return kept


def _note_order(log: LogArrays, notes: list[str]) -> None:
    num_backward = steps_back(log.time_ms, log.offsets)
    if num_backward:
        notes.append(
            f"By position the time runs back at {num_backward:,} of {log.num_events:,} events."
        )


def _vocabulary(coded: CodedLog, rule: Split) -> np.ndarray:
    """Return the codes of the items of the vocabulary, rising."""
    log = coded.log
    counted = slice(None) if rule.kind == "leave-one-out" else log.part == Part.TRAIN
    return np.flatnonzero(np.bincount(log.item_index[counted], minlength=len(coded.item_ids)))


def _finish(
    coded: CodedLog,
    rule: Split,
    item_codes: np.ndarray,
    event_frame: EventFrame,
    split: dict[str, Any],
    steps: list[StepRecord],
    notes: list[str],
) -> PreparedData:
    """Code the vocabulary, join the tables, fit the features, and write down what was done."""
    leaks = measure_leaks(coded.log)
    train = coded.log.part == Part.TRAIN
    train_counts = np.bincount(coded.log.item_index[train], minlength=len(coded.item_ids))
    # Items that nobody took in training come last: they are known by what is said of them alone.
    item_codes = item_codes[np.argsort(train_counts[item_codes] == 0, kind="stable")]
    coded = coded.with_items(item_codes).with_types_by_frequency()
    split["vocabulary"] = {
        "items": "whole log" if rule.kind == "leave-one-out" else "training part",
        "without_training_events": int((train_counts[item_codes] == 0).sum()),
    }
    item_table, num_unused = _table(coded.item_ids, event_frame.items, "item_id", notes)
    users = None if event_frame.users is None or event_frame.users.width == 1 else event_frame.users
    user_table, _ = _table(coded.user_ids, users, "user_id", notes)
    encoder = FeatureEncoder.fit(item_table, train_counts[item_codes])
    vocabulary = Vocabulary(coded.item_ids)
    graph, told_graph = _graph(event_frame.graph, vocabulary)
    tables = (user_table, item_table, *(() if graph is None else graph.tables()))
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "version": __version__,
        "fingerprint": fingerprint(coded.log, tables, coded.event_types),
        **_origin(event_frame),
        "split": split,
        "steps": [step.to_dict() for step in steps],
        "event_types": list(coded.event_types),
        "counts": _counts(coded, num_unused),
        **told_graph,
        "leaks": leaks,
        "attributes_left_out": encoder.left_out,
        "notes": notes,
    }
    return PreparedData(
        coded.log,
        Vocabulary(coded.user_ids),
        vocabulary,
        item_table,
        None if users is None else user_table,
        coded.event_types,
        encoder,
        manifest,
        graph,
    )


def _graph(
    triples: pl.DataFrame | None, items: Vocabulary
) -> tuple[ItemGraph | None, dict[str, Any]]:
    """Return what triples say of the items, and what the manifest says of it."""
    if triples is None:
        return None, {}
    graph, left_out = ItemGraph.of(triples, items)
    return graph, {"graph": {**graph.to_dict(), "left_out": left_out}}


def _origin(event_frame: EventFrame) -> dict[str, Any]:
    return {
        "source": event_frame.source,
        "order_by": event_frame.order_by,
        "read": event_frame.record.to_dict(),
        "columns_left_out": list(event_frame.context),
    }


def _table(
    ids: pl.Series, attributes: pl.DataFrame | None, key: str, notes: list[str]
) -> tuple[pl.DataFrame, int]:
    """Return one row per id in their order, and how many rows of the table belong to no id."""
    table = pl.DataFrame({key: ids})
    if attributes is None:
        return table, 0
    known = attributes.unique(key, keep="first", maintain_order=True)
    if known.height < attributes.height:
        notes.append(
            f"Of {attributes.height - known.height} repeated rows by {key} the first was kept."
        )
    joined = table.join(known, on=key, how="left", maintain_order="left")
    num_found = table.join(known, on=key, how="semi").height
    return joined, known.height - num_found


def _counts(coded: CodedLog, num_unused_items: int) -> dict[str, int]:
    log = coded.log
    train = log.part == Part.TRAIN
    known = train & (log.item_index >= 0)
    return {
        "users": log.num_users,
        "train_users": len(np.unique(log.user[train])),
        "items": len(coded.item_ids),
        "train_items": len(np.unique(log.item_index[known])),
        "items_without_events": num_unused_items,
        "events": log.num_events,
        "train_events": int(train.sum()),
        "validation_events": int((log.part == Part.VALIDATION).sum()),
        "test_events": int((log.part == Part.TEST).sum()),
        "events_of_unknown_items": int((log.item_index < 0).sum()),
    }
