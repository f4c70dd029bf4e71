import math

import numpy as np
import pytest

from penchant.evaluation.intervals import (
    Estimate,
    bootstrap_mean,
    estimate,
    paired_difference,
    resampled_ratios,
    user_sums,
)


def clustered(seed: int = 0, num_users: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return values of users who are alike within themselves, with uneven numbers of targets."""
    draw = np.random.default_rng(seed)
    user = np.repeat(np.arange(num_users), draw.integers(1, 9, num_users))
    level = draw.random(num_users)
    return (draw.random(len(user)) < level[user]).astype(float), user


def test_the_mean_over_events_and_the_mean_per_user_are_told_apart():
    values, user = np.array([1.0, 1.0, 0.0, 0.0]), np.array([4, 4, 4, 9])
    assert bootstrap_mean(values, user).value == pytest.approx(2 / 4)
    assert bootstrap_mean(values, user, per_user=True).value == pytest.approx((2 / 3 + 0) / 2)


def test_draws_are_ratios_of_sums_over_whole_users():
    sums, counts = np.array([[3.0], [0.0]]), np.array([[3.0], [1.0]])
    draws = resampled_ratios(sums, counts, num_draws=400)[:, 0]
    assert set(np.round(draws, 6)) == {0.0, round(3 / 4, 6), 1.0}


def test_the_interval_is_that_of_a_plain_bootstrap():
    values, user = clustered()
    draw = np.random.default_rng(1)
    means = []
    for _ in range(2_000):
        rows = [np.flatnonzero(user == u) for u in draw.integers(60, size=60)]
        means.append(values[np.concatenate(rows)].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    found = bootstrap_mean(values, user, num_draws=2_000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)


def test_treating_events_as_independent_would_make_the_interval_too_narrow():
    values, user = clustered()
    clusters = bootstrap_mean(values, user)
    events = bootstrap_mean(values, np.arange(len(values)))
    assert clusters.high - clusters.low > 1.2 * (events.high - events.low)


def test_the_interval_covers_the_truth_about_nineteen_times_in_twenty():
    draw = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        found = bootstrap_mean(draw.random(80), np.arange(80), num_draws=300, seed=trial)
        covered += found.low <= 1 / 2 <= found.high
    assert 0.88 < covered / 200 < 0.99


def test_one_seed_gives_one_interval_however_draws_are_chunked(monkeypatch):
    values, user = clustered()
    first, second = bootstrap_mean(values, user, seed=3), bootstrap_mean(values, user, seed=3)
    assert first == second
    assert bootstrap_mean(values, user, seed=4) != first
    monkeypatch.setattr("penchant.evaluation.intervals.CHUNK_CELLS", 60 * 7)
    chunked = bootstrap_mean(values, user, seed=3)
    assert (chunked.low, chunked.high) == pytest.approx((first.low, first.high))


def test_a_paired_difference_is_sharper_than_two_intervals():
    values, user = clustered(3, num_users=200)
    better = np.maximum(values, np.random.default_rng(4).random(len(values)) < 0.05)
    gain = paired_difference(better, values, user)
    assert gain.value == pytest.approx(better.mean() - values.mean())
    assert gain.low > 0
    alone = bootstrap_mean(values, user)
    assert gain.high - gain.low < (alone.high - alone.low) / 2


def test_a_ranker_against_itself_differs_by_exactly_nothing():
    values, user = clustered()
    assert paired_difference(values, values, user) == Estimate(0.0, 0.0, 0.0)


def test_without_draws_there_is_no_interval():
    values, user = clustered()
    found = bootstrap_mean(values, user, num_draws=0)
    assert found.to_dict() == {"value": pytest.approx(values.mean()), "low": None, "high": None}


def test_without_targets_there_is_no_figure():
    assert math.isnan(bootstrap_mean(np.array([]), np.array([])).value)


def test_draws_that_hold_no_target_are_passed_over():
    assert estimate(1.0, np.array([np.nan, 1.0, 1.0])) == Estimate(1.0, 1.0, 1.0)
    assert math.isnan(estimate(1.0, np.array([np.nan])).low)
    draws = resampled_ratios(np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]]), num_draws=50)
    assert np.isnan(draws).any()
    assert np.nanmin(draws) == 1.0


def test_sums_are_taken_user_by_user():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert user_sums(values, np.array([2, 0, 2]), 3).tolist() == [[2, 20], [0, 0], [5, 50]]


def test_a_thousand_draws_over_six_thousand_users_take_less_than_seconds():
    sums = np.random.default_rng(5).random((6_040, 30))
    assert resampled_ratios(sums, np.ones_like(sums)).shape == (1_000, 30)
