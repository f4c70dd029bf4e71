"""The candidates of one list as a board: which rows they have, and what caps and diversity see.

A row is an item that the search found, best first, or after those one that only a fixed place may
hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penchant.policies.caps import CapCount
from penchant.policies.choosing import Board, Rules
from penchant.policies.columns import ItemColumns
from penchant.policies.diversity import Calibration, Likeness
from penchant.policies.eligible import Eligible
from penchant.policies.settings import Policies


@dataclass(frozen=True, slots=True)
class Scored:
    """Items with their scores.

    Parameters
    ----------
    item_index, score
        (n,) each; what a search found comes best first. An item that cannot be scored has NaN.
    vectors
        (n, D), where `diversity.mmr_weight` is set.
    """

    item_index: np.ndarray
    score: np.ndarray
    vectors: np.ndarray | None = None

    @classmethod
    def none(cls) -> Scored:
        """Return no items."""
        return cls(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class Table:
    """A board with the rules that it is filled by."""

    board: Board
    rules: Rules

    def row(self, item: int) -> int:
        """Return the row of an item that was asked to be scored."""
        row = self.known_row(item)
        assert row is not None, f"item {item} of plan.extra was not scored"
        return row

    def known_row(self, item: int) -> int | None:
        """Return the row of an item, None where it is not on the board."""
        return self._row_of.get(item)

    @cached_property
    def _row_of(self) -> dict[int, int]:
        return {item: row for row, item in enumerate(self.board.items.tolist())}


def set_out(
    policies: Policies,
    columns: ItemColumns,
    eligible: Eligible,
    history: np.ndarray,
    found: Scored,
    extra: Scored,
) -> Table:
    """Set out the candidates of a list.

    Parameters
    ----------
    eligible
        What was found and is not eligible (any more) is no candidate.
    history
        Items of the user's events, -1 for unknown ones.
    found, extra
        What was searched for, and what was scored besides.
    """
    is_new = np.zeros(len(extra.item_index), bool)
    if len(is_new):
        is_new = ~np.isin(extra.item_index, found.item_index)
    items, scores = found.item_index, np.asarray(found.score, float)
    if is_new.any():
        items = np.concatenate([items, extra.item_index[is_new]])
        scores = np.concatenate([scores, extra.score[is_new]])
    is_free = np.zeros(len(items), bool)
    is_free[: len(found.item_index)] = eligible.allows(found.item_index) & np.isfinite(found.score)
    caps = [CapCount(cap, *_groups(columns, cap.field, items), len(items)) for cap in policies.caps]
    diversity, likeness, calibration = policies.diversity, None, None
    if diversity.mmr_weight:
        likeness = Likeness(_vectors(found, extra, is_new), len(found.item_index))
    if diversity.calibration_weight:
        calibration = _calibration(diversity.calibration_field, columns, history, items)
    rules = Rules(diversity, tuple(caps), likeness, calibration)
    return Table(Board(items, scores, is_free), rules)


def _vectors(found: Scored, extra: Scored, is_new: np.ndarray) -> np.ndarray:
    assert found.vectors is not None, "diversity.mmr_weight needs vectors"
    if not is_new.any():
        return found.vectors
    assert extra.vectors is not None, "diversity.mmr_weight needs vectors"
    return np.concatenate([found.vectors, extra.vectors[is_new]])


def _calibration(
    field: str, columns: ItemColumns, history: np.ndarray, items: np.ndarray
) -> Calibration:
    known = history[history >= 0]
    rows, groups = _groups(columns, field, np.concatenate([known, items]))
    return Calibration(rows, groups, len(known), len(known) + len(items))


def _groups(columns: ItemColumns, field: str, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (m,) rows and values of an attribute, none where no item has it."""
    with columns.lock:
        column = columns.column(field)
        if column is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return column.groups_of(items)
