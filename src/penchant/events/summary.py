"""Prepared data told in a few lines of plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summary_text(manifest: Mapping[str, Any]) -> str:
    """Return counts, split, steps of cleaning, leaks and notes, one below the other.

    Parameters
    ----------
    manifest
        The manifest of prepared data.
    """
    lines = [*_counts(manifest["counts"]), *_split(manifest["split"])]
    lines += _held_out(manifest["split"].get("held_out"))
    lines += _graph(manifest.get("graph"), manifest["counts"]["items"])
    lines += [_step(step) for step in manifest["steps"] if step["num_dropped"]]
    for part, leaks in manifest["leaks"].items():
        lines += _leaks(part, leaks)
    left_out = manifest["attributes_left_out"].items()
    if left_out:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in left_out)
        lines.append(f"attributes   without: {reasons}")
    lines += [f"note         {note}" for note in manifest["notes"]]
    return "\n".join(lines)


def _counts(counts: Mapping[str, Any]) -> list[str]:
    return [
        f"events       {counts['events']:,}: {counts['train_events']:,} to train on, "
        f"{counts['validation_events']:,} to validate on, {counts['test_events']:,} to test on",
        f"users        {counts['users']:,}, {counts['train_users']:,} of them with training events",
        f"items        {counts['items']:,}, {counts['train_items']:,} of them with training events"
        f"; {counts['items_without_events']:,} more in the table of items",
    ]


def _split(split: Mapping[str, Any]) -> list[str]:
    cuts = [
        f"{part} from {split[key]}"
        for part, key in (("validation", "validation_from"), ("test", "test_from"))
        if split[key]
    ]
    line = f"split        {split['name']}" + (f" ({', '.join(cuts)})" if cuts else "")
    if split["users_without_targets"]:
        line += f"; {split['users_without_targets']:,} users have too few events to be tested on"
    return [line]


def _held_out(told: Mapping[str, Any] | None) -> list[str]:
    if told is None:
        return []
    parts = ", ".join(
        f"{told[part]['items']:,} for {part} ({told[part]['targets']:,} targets)"
        for part in ("validation", "test")
    )
    return [f"held out     items: {parts}; drawn with seed {told['seed']}"]


def _graph(told: Mapping[str, Any] | None, num_items: int) -> list[str]:
    if told is None:
        return []
    left_out = told["left_out"]
    lines = [
        f"graph        {told['triples']:,} triples of {len(told['relations'])} relations on "
        f"{told['items_with_triples']:,} of {num_items:,} items and {told['entities']:,} other "
        "entities"
    ]
    reasons = {
        "without_items": "without an item",
        "restated": "that say again backwards what other relations say",
    }
    without = [f"{left_out[name]:,} {what}" for name, what in reasons.items() if left_out[name]]
    return [*lines, *([f"  left out: {' and '.join(without)}"] if without else [])]


def _step(step: Mapping[str, Any]) -> str:
    return f"dropped      {step['num_dropped']:,} events: {step['name']}"


def _leaks(part: str, leaks: Mapping[str, Any]) -> list[str]:
    lines = [f"{part:<12} {leaks['targets']:,} targets"]
    cold = [
        f"{leaks[f'cold_{kind}_targets']:,} of {leaks[f'cold_{kind}s']:,} {kind}s"
        for kind in ("user", "item")
        if leaks[f"cold_{kind}s"]
    ]
    if cold:
        lines.append(f"  without training events: {' and '.join(cold)}")
    told = {
        "repeated_targets_share": "on an item that the user has had before",
        "tied_targets_share": "at the very time of an earlier event of the user",
        "targets_before_training_end_share": "before the last training event of other users",
    }
    lines += [f"  {leaks[name]:.1%} {text}" for name, text in told.items() if leaks.get(name)]
    return lines
