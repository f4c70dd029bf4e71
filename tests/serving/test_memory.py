import numpy as np
import pytest
import torch

from penchant.encoders import map_state
from penchant.errors import CorruptBundleError
from penchant.serving.memory import (
    advance,
    decode_seen,
    decode_state,
    encode_seen,
    encode_state,
    seen_bytes,
)
from penchant.serving.ranking import Ranker
from penchant.stores import LoggedEvent, Memory

from .world import ITEMS, make_bundle


def filled(state):
    """Return a state of the same form whose every number is another one."""
    numbers = iter(range(1, 10_000))
    return map_state(
        state,
        lambda leaf: torch.tensor(
            [next(numbers) for _ in range(leaf.numel())], dtype=leaf.dtype
        ).reshape(leaf.shape),
    )


def leaves(state) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    map_state(state, found.append)
    return found


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "linear", "transformer"])
def test_a_state_comes_back_bit_for_bit(kind):
    model = make_bundle(encoder={"kind": kind, "num_layers": 2}).model.float()
    like = model.initial_state(1)
    state = filled(like)
    blob = encode_state(state)
    assert len(blob) == model.state_bytes
    for found, given in zip(leaves(decode_state(blob, like)), leaves(state), strict=True):
        assert found.dtype == given.dtype
        assert torch.equal(found, given)


def test_a_memory_of_another_size_is_refused():
    like = make_bundle().model.initial_state(1)
    blob = encode_state(like)
    with pytest.raises(
        CorruptBundleError, match=f"must have {len(blob)} bytes but has {len(blob) - 3}"
    ):
        decode_state(blob[:-3], like)


@pytest.mark.parametrize(("num_items", "size"), [(65_536, 2), (65_537, 4)])
def test_seen_items_take_two_or_four_bytes_each(num_items, size):
    seen = np.array([0, 7, num_items - 1])
    blob = encode_seen(seen)
    assert len(blob) == 1 + 3 * size == 1 + 3 * seen_bytes(num_items)
    assert decode_seen(blob).tolist() == seen.tolist()


def test_a_memory_counts_what_it_holds():
    ranker = Ranker(make_bundle())
    events = [
        LoggedEvent("u", "rum", 500, "a", sequence=4),
        LoggedEvent("u", "unheard of", 700, "b", sequence=9),
        LoggedEvent("u", "milk", 700, "c", sequence=11),
    ]
    memory = advance(ranker, Memory(revision=3), events)
    assert (memory.num_events, memory.last_time_ms, memory.applied_through) == (3, 700, 11)
    assert memory.revision == 3
    assert decode_seen(memory.seen).tolist() == [1, 2]
    assert advance(ranker, memory, []) == memory


@pytest.mark.parametrize("encoder", [{}, {"kind": "transformer", "window": 3}])
def test_folding_in_two_parts_is_folding_at_once(encoder):
    ranker = Ranker(make_bundle(encoder=encoder))
    events = [LoggedEvent("u", ITEMS[i % 7], 90 * i * i, str(i), sequence=i + 1) for i in range(9)]
    whole = advance(ranker, Memory(), events)
    parts = advance(ranker, advance(ranker, Memory(), events[:4]), events[4:])
    like = ranker.model.initial_state(1)
    for one, other in zip(
        leaves(decode_state(whole.state, like)),
        leaves(decode_state(parts.state, like)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert whole.seen == parts.seen


@pytest.mark.parametrize("encoder", [{}, {"kind": "transformer", "window": 3}])
def test_the_memory_of_a_long_history_is_no_larger(encoder):
    ranker = Ranker(make_bundle(encoder=encoder))
    events = [LoggedEvent("u", ITEMS[i % 7], i, str(i), sequence=i + 1) for i in range(200)]
    short, long = advance(ranker, Memory(), events[:7]), advance(ranker, Memory(), events)
    assert short.num_bytes == long.num_bytes == ranker.model.state_bytes + 1 + 7 * 2
