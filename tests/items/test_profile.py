"""Attributes of users become one vector, alike for all users and alone; who has none is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from penchant.errors import ConfigError
from penchant.items import PrefixProfile, Profiles
from penchant.items.profile import NoProfile


@dataclass
class Attributes:
    """Three users: one category, one number and a bag each, of the last nothing."""

    categorical: np.ndarray
    cardinalities: tuple[int, ...]
    numeric: np.ndarray
    bag_index: np.ndarray
    bag_offsets: np.ndarray
    bag_size: int
    is_known: np.ndarray


def attributes() -> Attributes:
    return Attributes(
        np.array([[2], [1], [0]]),
        (3,),
        np.array([[0.5], [-2.0], [0.0]], dtype=np.float32),
        np.array([0, 2, 1]),
        np.array([0, 2, 3, 3]),
        3,
        np.array([True, True, False]),
    )


def prefix(drop_share: float = 0.0) -> PrefixProfile:
    """Return a part whose vectors are whole numbers."""
    part = PrefixProfile(2, attributes(), drop_share)
    with torch.no_grad():
        part.attributes.categories[0].weight.copy_(torch.tensor([[0.0, 0], [10, 0], [20, 0]]))
        part.attributes.numbers.weight.copy_(torch.tensor([[0.0], [4.0]]))
        part.attributes.bag.weight.copy_(torch.tensor([[100.0, 0], [300, 0], [700, 0]]))
        part.unknown.copy_(torch.tensor([-1.0, -3.0]))
    return part


def test_attributes_add_up_and_a_user_without_any_has_the_learned_vector():
    found = prefix()(3, Profiles.of(attributes()))
    assert found.tolist() == [
        [20 + (100 + 700) / 2, 4 * 0.5],
        [10 + 300, 4 * -2.0],
        [-1, -3],
    ]


def test_users_of_whom_nothing_is_said_are_all_unknown():
    assert prefix()(2).tolist() == [[-1, -3], [-1, -3]]


def test_profiles_of_some_users_are_theirs_whatever_the_order():
    part, everyone = prefix(), Profiles.of(attributes())
    whole = part(3, everyone)
    for index in ([2, 0], [1], [1, 2, 1, 0], []):
        chosen = everyone.of_users(torch.tensor(index, dtype=torch.int64))
        assert part(len(index), chosen).tolist() == whole[index].tolist()


def test_a_missing_value_adds_nothing_at_the_start():
    part = PrefixProfile(4, attributes())
    assert part.attributes.categories[0].weight[0].tolist() == [0.0] * 4
    assert part.attributes.categories[0].weight[1].abs().min() > 0


def test_in_training_a_share_of_the_users_hides_its_attributes():
    part = prefix(drop_share=0.3)
    many = Profiles.of(attributes()).of_users(torch.zeros(4_000, dtype=torch.int64))
    torch.manual_seed(2)
    is_hidden = part(4_000, many)[:, 1] == -3
    assert abs(is_hidden.float().mean() - 0.3) < 0.03
    assert not (part.eval()(4_000, many)[:, 1] == -3).any()


def test_the_vectors_learn_from_users_who_have_them_alone():
    part = prefix()
    part(3, Profiles.of(attributes())).sum().backward()
    assert part.unknown.grad.tolist() == [1, 1]  # of one user
    assert part.attributes.categories[0].weight.grad[:, 0].tolist() == [0, 1, 1]


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"profile.drop_share must lie in 0..1, .* but is 1"):
        PrefixProfile(2, attributes(), 1.0)


def test_the_part_that_reads_nothing_gives_nothing():
    assert NoProfile()(3, Profiles.of(attributes())) is None
    assert list(NoProfile().parameters()) == []
