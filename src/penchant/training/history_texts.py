"""Histories written as text: the titles of what a user took, in order, as rows of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.events import LogArrays, PreparedData
from penchant.seeds import stream
from penchant.texts import prompts
from penchant.texts.huggingface import HuggingFaceTextModel
from penchant.texts.tokens import TokenRows


@dataclass(frozen=True)
class Marks:
    """Tokens that are no part of any text.

    Parameters
    ----------
    start, between, end
        Before a row, between two texts, behind a row.
    """

    start: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    end: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.start) + len(self.end)


@dataclass(frozen=True)
class HistoryRows:
    """Histories as rows of tokens, long ones as several.

    Parameters
    ----------
    rows
        R rows of at most so many tokens.
    user
        (R,) whose they are.
    """

    rows: TokenRows
    user: np.ndarray

    @classmethod
    def of(
        cls, log: LogArrays, texts: Sequence[Sequence[int]], marks: Marks, max_tokens: int
    ) -> HistoryRows:
        """Write the histories of a log.

        Parameters
        ----------
        log
            Items that are known, in order.
        texts
            Tokens of each of the I items; one without any is passed over.
        marks
            Stand before, between and behind the texts, in every row.
        max_tokens
            Tokens of a row, marks included. A text may go on in the next row.

        Examples
        --------
        >>> item = np.array([1, 0, 1])
        >>> log = LogArrays(item, item, item, item, item, offsets=np.array([0, 3]))
        >>> found = HistoryRows.of(log, [[7], [8, 9]], Marks(start=(1,), between=(2,)), 5)
        >>> [found.rows.ids[a:b].tolist() for a, b in [(0, 5), (5, 9)]]
        [[1, 8, 9, 2, 7], [1, 2, 8, 9]]
        """
        size = max_tokens - len(marks)
        assert size > 0, "a row holds more than its marks"
        rows: list[list[int]] = []
        users: list[int] = []
        for user in range(log.num_users):
            tokens: list[int] = []
            for item in log.item_index[log.offsets[user] : log.offsets[user + 1]].tolist():
                if texts[item]:
                    tokens += (marks.between if tokens else ()) + tuple(texts[item])
            for begin in range(0, len(tokens), size):
                rows.append([*marks.start, *tokens[begin : begin + size], *marks.end])
                users.append(user)
        return cls(TokenRows.from_lists(rows), np.array(users, dtype=np.int64))

    def parted(self, num_users: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (R',) rows to train on and (R'',) those of so many users that are held out.

        Never more than half of the users are.
        """
        users = np.unique(self.user)
        count = min(num_users, len(users) // 2)
        held = stream(seed, "held-out histories").choice(users, count, replace=False)
        is_held = np.isin(self.user, held)
        return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def history_rows(
    data: PreparedData,
    base: HuggingFaceTextModel,
    template: str,
    max_tokens: int,
    *,
    is_causal: bool,
) -> HistoryRows:
    """Write the histories of the training part as tokens, by a template over columns of items.

    Texts stand on lines of their own for a decoder, between the marks of sentences for an encoder.
    """
    columns = {name: data.item_table[name].to_list() for name in data.item_table.columns}
    texts = prompts(columns, template)
    tokenizer = base.tokenizer

    def tokens(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    if is_causal:
        start = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
        marks = Marks(start, between=tokens("\n"))
    else:
        ends = [mark for mark in (tokenizer.sep_token_id, tokenizer.eos_token_id) if mark]
        starts = [mark for mark in (tokenizer.cls_token_id, tokenizer.bos_token_id) if mark]
        marks = Marks(tuple(starts[:1]), tuple(ends[:1]), tuple(ends[:1]))
    most = min(max_tokens, base.most_tokens)
    return HistoryRows.of(data.log.train, [tokens(text) for text in texts], marks, most)
