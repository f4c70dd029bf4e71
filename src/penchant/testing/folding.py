"""Laws of every fold: the two forms agree, and a state is a value that belongs to one user.

Each law is a function that raises `LawBroken` with figures. They hold encoders, attentions and
models; run them on a component of your own with `check_encoder`, `check_attention` or
`check_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from penchant.encoders import SequenceEncoder, map_state, state_bytes, state_leaves
from penchant.interest import InterestAttention
from penchant.items.profile import Profiles
from penchant.model import InterestModel
from penchant.testing.subjects import (
    LENGTHS,
    Histories,
    Subject,
    attention_subject,
    encoder_subject,
    model_subject,
)

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4}
"""Largest difference allowed, relative to values of about one; float32 as measured, with room."""


class LawBroken(AssertionError):  # noqa: N818  the sentence it makes is the message
    """A component does not obey a law of its room."""


Law = Callable[[Subject, float], None]


def steps_equal_forward(subject: Subject, tolerance: float) -> None:
    """One event at a time gives the outputs and the states of whole histories."""
    histories = Histories.of_lengths(LENGTHS)
    whole, after = subject.fold(histories, subject.initial_state(len(LENGTHS)))
    for user in range(len(LENGTHS)):
        rows = histories.of_user(user).rows
        state = subject.initial_state(1)
        for row in rows:
            output, state = subject.advance(row[None], state)
            _same(subject, output[0], whole[row], tolerance, f"step at row {int(row)}")
        _same_state(subject, state, _user_of(after, user), tolerance, f"steps of user {user}")


def resuming_equals_not_stopping(subject: Subject, tolerance: float) -> None:
    """Histories cut anywhere and resumed give what they give in one piece, empty rests included."""
    histories = Histories.of_lengths(LENGTHS)
    whole, after = subject.fold(histories, subject.initial_state(len(LENGTHS)))
    for share in (0.0, 0.4, 1.0):
        first = (histories.lengths * share).long()
        head, tail = histories.split(first)
        early, between = subject.fold(head, subject.initial_state(len(LENGTHS)))
        late, resumed = subject.fold(tail, between)
        _same(subject, early, whole[head.rows], tolerance, f"first {share:.0%} of histories")
        _same(subject, late, whole[tail.rows], tolerance, f"histories resumed at {share:.0%}")
        _same_state(subject, resumed, after, tolerance, f"state resumed at {share:.0%}")


def users_do_not_mix(subject: Subject, tolerance: float) -> None:
    """A user's outputs and state are the same alone and among others."""
    histories = Histories.of_lengths(LENGTHS)
    whole, after = subject.fold(histories, subject.initial_state(len(LENGTHS)))
    for user in range(len(LENGTHS)):
        alone = histories.of_user(user)
        output, state = subject.fold(alone, subject.initial_state(1))
        _same(subject, output, whole[alone.rows], tolerance, f"user {user} alone")
        _same_state(subject, state, _user_of(after, user), tolerance, f"user {user} alone")


def no_peeking(subject: Subject, tolerance: float) -> None:
    """An event changes no output before it, and does change the one after it."""
    histories = Histories.of_lengths(LENGTHS)
    state = subject.initial_state(len(LENGTHS))
    whole, _ = subject.fold(histories, state)
    for row in range(2, len(whole), 5):
        other, _ = subject.altered(row).fold(histories, state)
        _same(subject, other[:row], whole[:row], tolerance, f"outputs before altered row {row}")
        if torch.equal(other[row], whole[row]):
            raise LawBroken(
                f"{subject.name}: altering the event at row {row} changes nothing there."
            )


def given_state_untouched(subject: Subject, _tolerance: float) -> None:
    """A state that is given is not changed in place, by either form."""
    histories = Histories.of_lengths(LENGTHS)
    _, state = subject.fold(histories, subject.initial_state(len(LENGTHS)))
    before = map_state(state, torch.clone)
    subject.fold(histories, state)
    _same_state(subject, state, before, 0.0, "state given to forward")
    subject.advance(histories.rows[: len(LENGTHS)], state)
    _same_state(subject, state, before, 0.0, "state given to step")


def state_is_constant(subject: Subject, _tolerance: float) -> None:
    """A state has the same size after one event and after many."""
    histories = Histories.of_lengths(LENGTHS)
    _, few = subject.fold(histories.of_user(2), subject.initial_state(1))
    _, many = subject.fold(histories.of_user(3), subject.initial_state(1))
    sizes = state_bytes(subject.initial_state(1)), state_bytes(few), state_bytes(many)
    if len(set(sizes)) > 1:
        raise LawBroken(
            f"{subject.name}: a state must have constant size but takes {sizes[0]} bytes before "
            f"any event, {sizes[1]} after 1 and {sizes[2]} after {LENGTHS[3]}."
        )


FOLDING_LAWS: tuple[Law, ...] = (
    steps_equal_forward,
    resuming_equals_not_stopping,
    users_do_not_mix,
    no_peeking,
    given_state_untouched,
    state_is_constant,
)


def check_fold(subject: Subject, dtype: torch.dtype = torch.float64) -> None:
    """Hold a subject to all laws of folding.

    Raises
    ------
    LawBroken
        At the first law that does not hold, with the largest difference found.
    """
    with torch.inference_mode():
        for law in FOLDING_LAWS:
            law(subject, TOLERANCE[dtype])


def check_encoder(encoder: SequenceEncoder, width: int) -> None:
    """Hold an encoder to all laws of folding, in the dtype of its parameters.

    A window encoder is shown its last `reach` events at every step, as the model shows them.
    """
    encoder.eval()
    check_fold(encoder_subject(encoder, width), next(encoder.parameters()).dtype)


def check_attention(attention: InterestAttention, width: int) -> None:
    """Hold an attention to all laws of folding, in the dtype of its parameters."""
    attention.eval()
    check_fold(attention_subject(attention, width), next(attention.parameters()).dtype)


def check_model(
    model: InterestModel,
    history_types: Sequence[int] | None = None,
    profiles: Profiles | None = None,
) -> None:
    """Hold a whole model to all laws of folding, in the dtype of its parameters.

    With `history_types`, some of 0, 1 and 2, also those of a history that passes over other events.
    With `profiles`, users begin with what the first of them says.
    """
    model.eval()
    subject = model_subject(model, history_types=history_types, profiles=profiles)
    check_fold(subject, next(model.parameters()).dtype)


def _user_of(state: Any, user: int) -> Any:
    return map_state(state, lambda leaf: leaf[user : user + 1])


def _same_state(subject: Subject, found: Any, wanted: Any, tolerance: float, where: str) -> None:
    pairs = zip(state_leaves(found), state_leaves(wanted), strict=True)
    for number, (left, right) in enumerate(pairs):
        if left.shape == right.shape:  # a window keeps events without a value as they came
            missing = left.isnan() & right.isnan()
            left, right = left.masked_fill(missing, 0), right.masked_fill(missing, 0)
        _same(subject, left, right, tolerance, f"{where}, leaf {number} of the state")


def _same(subject: Subject, found: Tensor, wanted: Tensor, tolerance: float, where: str) -> None:
    if found.shape != wanted.shape:
        raise LawBroken(
            f"{subject.name}: {where}: "
            f"shapes {tuple(found.shape)} and {tuple(wanted.shape)} differ."
        )
    if found.numel() == 0:
        return
    scale = wanted.double().abs().clamp(min=1.0)
    difference = ((found.double() - wanted.double()).abs() / scale).nan_to_num(torch.inf).max()
    if difference > tolerance:
        raise LawBroken(
            f"{subject.name}: {where}: differs by {difference:.3g}, more than {tolerance:.3g}."
        )
