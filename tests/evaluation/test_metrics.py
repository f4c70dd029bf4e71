import numpy as np
import pytest

from penchant.errors import ConfigError
from penchant.evaluation.metrics import METRICS, checked_ks, rank_metrics

RANKS = np.array([1, 2, 5, 6])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndcg", [1, 1 / np.log2(3), 1 / np.log2(6), 0]),
        ("hit", [1, 1, 1, 0]),
        ("recall", [1, 1, 1, 0]),
        ("mrr", [1, 1 / 2, 1 / 5, 0]),
        ("map", [1, 1 / 2, 1 / 5, 0]),
        ("precision", [1 / 5, 1 / 5, 1 / 5, 0]),
    ],
)
def test_values_of_each_rank_are_those_computed_by_hand(name, expected):
    assert METRICS[name](RANKS, 5) == pytest.approx(expected)


def plain_figures(lists: list[list[int]], targets: list[int]) -> dict[str, float]:
    """NDCG, hit, reciprocal rank and average precision from raw lists, by their textbook forms."""
    ndcg, hit, mrr, average = [], [], [], []
    for shown, target in zip(lists, targets, strict=True):
        relevance = [float(item == target) for item in shown]
        gain = sum(r / np.log2(place + 2) for place, r in enumerate(relevance))
        ndcg.append(gain / (1 / np.log2(2)))
        hit.append(float(target in shown))
        mrr.append(next((1 / (p + 1) for p, r in enumerate(relevance) if r), 0.0))
        precisions = [sum(relevance[: p + 1]) / (p + 1) * r for p, r in enumerate(relevance)]
        average.append(sum(precisions) / 1)
    return {
        name: float(np.mean(values))
        for name, values in (("ndcg", ndcg), ("hit", hit), ("mrr", mrr), ("map", average))
    }


def test_metrics_of_ranks_agree_with_the_textbook_on_raw_lists():
    draw = np.random.default_rng(0)
    orders = [draw.permutation(40) for _ in range(300)]
    targets = draw.integers(0, 40, 300).tolist()
    rank = np.array(
        [int(np.flatnonzero(o == t)[0]) + 1 for o, t in zip(orders, targets, strict=True)]
    )
    found = rank_metrics(rank, (10,))
    for name, want in plain_figures([order[:10].tolist() for order in orders], targets).items():
        assert found[f"{name}@10"].mean() == pytest.approx(want, abs=1e-6)


def test_every_metric_stands_at_every_length():
    names = set(rank_metrics(RANKS, (5, 10)))
    assert names == {f"{name}@{k}" for name in METRICS for k in (5, 10)}


def test_lengths_are_sorted_and_given_once():
    assert checked_ks([20, 5, 5]) == (5, 20)


@pytest.mark.parametrize("ks", [[], [0, 5], [-1]])
def test_a_list_length_below_one_is_refused(ks):
    with pytest.raises(ConfigError) as raised:
        checked_ks(ks)
    assert str(raised.value) == (
        f"list lengths k must be whole numbers from 1 but are {ks}. "
        "Give for example ks=(5, 10, 20)."
    )
