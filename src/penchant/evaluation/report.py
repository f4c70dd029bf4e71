"""What an evaluation found: as a value, as JSON for programs, as a table for people."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from penchant.evaluation.calibration import FIGURES
from penchant.evaluation.slices import Slice, plain
from penchant.evaluation.summary import Figures

SCHEMA: Final = 1
COLUMNS: Final = 3
"""Rankers beside each other before the table is continued below."""

SHOWN: Final = ("ndcg@", "hit@", "mrr@", "novelty@", "coverage@")
"""Metrics of the table; with one target per list the others follow from them."""

BINARY: Final = tuple(FIGURES)
"""Figures of a binary head, in tables of their own."""

VALUE_ERROR: Final = "value_error"
"""Mean absolute error of the values that a model expects."""

MEAN_VALUE: Final = "mean_value"
"""What expects the mean of the training part of every target."""


@dataclass(frozen=True)
class Report:
    """The figures of a model beside its baselines, and under which rules they were got.

    Parameters
    ----------
    protocol
        `split`, `part`, `candidates`, `exclude_seen`, `ties`, `query_time`, `num_items`,
        `num_candidates`, `data_fingerprint`, `left_out_seen_targets`, `cold_targets` (not in the
        vocabulary); `held_out` where items were held out of training; for a binary head
        `labelled_targets` and `taken_targets`; for a model that learned values `valued_targets`;
        where they are chosen `objective`, `target_types`, `negative_types`, `history_types` and
        `seen_types`.
    num_users, num_targets
        What the means are over.
    metrics
        The model's figures by name, such as `ndcg@10`.
    baselines
        The same for each baseline.
    differences
        Model − baseline for each baseline, with paired intervals.
    per_user
        Means of the users' means, for the model (under the name it was ranked by) and each
        baseline.
    unfiltered
        The figures without the filter of seen items, likewise.
    variants
        The model under another setting, such as without the time of asking.
    slices
        Figures of parts of the targets: `warm_items` and `cold_items`, items with training events
        and without, where there are targets on the latter.
    settings
        What each baseline chose on validation.
    """

    protocol: dict[str, Any]
    num_users: int
    num_targets: int
    metrics: Figures
    baselines: dict[str, Figures]
    differences: dict[str, Figures] = field(default_factory=dict)
    per_user: dict[str, Figures] = field(default_factory=dict)
    unfiltered: dict[str, Figures] = field(default_factory=dict)
    variants: dict[str, Figures] = field(default_factory=dict)
    slices: dict[str, Slice] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values; NaN becomes None."""
        groups = ("baselines", "differences", "per_user", "unfiltered", "variants")
        return {
            "schema": SCHEMA,
            "protocol": dict(self.protocol),
            "num_users": self.num_users,
            "num_targets": self.num_targets,
            "metrics": plain(self.metrics),
            **{
                group: {name: plain(figures) for name, figures in getattr(self, group).items()}
                for group in groups
            },
            "slices": {name: part.to_dict() for name, part in self.slices.items()},
            "baseline_settings": dict(self.settings),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, under another name first, so that a cut file is never left."""
        path = Path(path)
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def render(self) -> str:
        """Return the report as text: the model beside its baselines, then the differences."""
        model = next(iter(self.per_user), "model")
        shown = [name for name in self.metrics if name.startswith(SHOWN)]
        rankers = {model: self.metrics, **self.variants, **self.baselines}
        differences = {f"− {name}": figures for name, figures in self.differences.items()}
        compared = [name for name in shown if name.startswith(SHOWN[:2])]
        binary = [name for name in BINARY if name in self.metrics]
        valued = [name for name in (VALUE_ERROR,) if name in self.metrics]
        parts = [
            _heading(self),
            *_tables(shown, rankers),
            *_tables(compared, differences, corner=model, sign="+"),
            *_tables(binary, rankers),
            *_tables(binary, differences, corner=model, sign="+"),
            *_tables(valued, rankers),
            *_tables(valued, differences, corner=model, sign="+"),
            *_slices(self, model, compared),
            _closing(self),
        ]
        return "\n\n".join(part for part in parts if part)


def _heading(report: Report) -> str:
    told = report.protocol
    filter_ = "seen items filtered" if told.get("exclude_seen") else "seen items included"
    time = {True: "time of asking given", False: "time of asking not given"}
    targets = f"targets {' or '.join(told['target_types'])}" if "target_types" in told else ""
    rules = [
        f"{told.get('part')} part",
        targets,
        f"split {told.get('split')}",
        filter_,
        "ties count against",
        time.get(told.get("query_time"), ""),  # type: ignore[arg-type]
    ]
    kind = {"warm": " with training events", "cold": " without training events"}
    sizes = (
        f"{report.num_targets:,} targets of {report.num_users:,} users, "
        f"{told.get('num_candidates', 0):,} items"
        f"{kind.get(told.get('candidates', ''), '')}"
    )
    return f"{', '.join(rule for rule in rules if rule)}\n{sizes}; 95 % intervals over users"


def _slices(report: Report, model: str, metrics: list[str]) -> list[str]:
    """Return the tables of each slice, under a line that says what it is."""
    lines = []
    for name, part in report.slices.items():
        kind = {"warm_items": "with", "cold_items": "without"}[name]
        heading = (
            f"Targets on items {kind} training events: {part.num_targets:,} of "
            f"{part.num_users:,} users"
        )
        tables = _tables(metrics, {model: part.metrics, **part.baselines})
        lines += [f"{heading}\n{tables[0]}", *tables[1:]]
    return lines


def _tables(
    metrics: list[str], columns: dict[str, Figures], corner: str = "", sign: str = ""
) -> list[str]:
    """Return tables of a few columns each, so that they fit a terminal.

    A column without any of the metrics is left out.
    """
    names = [name for name, figures in columns.items() if set(metrics) & set(figures)]
    chunks = [names[begin : begin + COLUMNS] for begin in range(0, len(names), COLUMNS)]
    return [_table(metrics, {name: columns[name] for name in c}, corner, sign) for c in chunks]


def _table(metrics: list[str], columns: dict[str, Figures], corner: str, sign: str) -> str:
    """Return aligned lines: one row per metric, one column per ranker."""
    rows = [[corner, *columns]]
    for metric in metrics:
        cells = (_cell(figures, metric, sign) for figures in columns.values())
        rows.append([metric, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _cell(figures: Figures, metric: str, sign: str) -> str:
    if metric not in figures:
        return ""
    found = figures[metric].to_dict()
    if found["value"] is None:
        return "–"
    value = f"{found['value']:{sign}.4f}"
    if found["low"] is None or found["high"] is None:
        return value
    return f"{value} [{found['low']:{sign}.4f}, {found['high']:{sign}.4f}]"


def _closing(report: Report) -> str:
    """Return what must be said beside the table."""
    told = report.protocol
    lines = ["One target per list: recall = hit, map = mrr, precision = hit / k."]
    if left_out := told.get("left_out_seen_targets"):
        lines.append(f"Targets left out because their user had seen them before: {left_out:,}.")
    if cold := told.get("cold_targets"):
        lines.append(f"Targets that are not in the vocabulary, counted as misses: {cold:,}.")
    if (labelled := told.get("labelled_targets")) is not None:
        lines.append(
            f"Probabilities: {labelled:,} targets with a known item, seen ones too, of which "
            f"{told['taken_targets']:,} were taken; less is better for log_loss and "
            "calibration_error."
        )
    if (valued := told.get("valued_targets")) is not None:
        lines.append(f"Values: {valued:,} targets with a known item and a value; less is better.")
    first = "ndcg@10" if "ndcg@10" in report.metrics else next(iter(report.metrics), "")
    plain = {name: _cell(figures, first, "") for name, figures in report.unfiltered.items()}
    if told.get("exclude_seen") and plain:
        shown = ", ".join(f"{name} {cell}" for name, cell in plain.items())
        lines.append(f"Without the filter, {first}: {shown}.")
    return "\n".join(lines)
