import math

import numpy as np
import pytest

from penchant.errors import InputError
from penchant.evaluation import auc, calibration_error, log_loss


def test_auc_is_the_share_of_pairs_in_order_with_ties_as_halves():
    draw = np.random.default_rng(0)
    probability, label = draw.integers(0, 8, 60) / 8, draw.integers(0, 2, 60)
    pairs = [
        (p > n) + (p == n) / 2 for p in probability[label == 1] for n in probability[label == 0]
    ]
    assert auc(probability, label) == pytest.approx(sum(pairs) / len(pairs))


def test_auc_of_one_class_alone_is_undefined():
    assert math.isnan(auc(np.array([0.2, 0.8]), np.array([1, 1])))
    assert math.isnan(auc(np.array([0.2, 0.8]), np.array([0, 0])))


def test_log_loss_is_the_mean_surprise():
    found = log_loss(np.array([0.25, 0.5, 0.9]), np.array([1, 0, 1]))
    assert found == pytest.approx(-(math.log(0.25) + math.log(0.5) + math.log(0.9)) / 3)


def test_certainty_that_is_wrong_costs_much_but_not_infinitely():
    assert log_loss(np.array([0.0]), np.array([1])) == pytest.approx(-math.log(1e-15))


def test_calibration_error_weighs_bins_by_their_events():
    probability = np.array([0.9, 0.1, 0.2, 0.6, 0.3])
    label = np.array([1, 0, 0, 0, 1])
    first = abs((0.1 + 0.2 + 0.3) / 3 - 1 / 3) * 3  # three lowest
    second = abs((0.6 + 0.9) / 2 - 1 / 2) * 2
    assert calibration_error(probability, label, num_bins=2) == pytest.approx((first + second) / 5)


def test_honest_probabilities_are_calibrated_and_doubled_ones_are_not():
    draw = np.random.default_rng(1)
    probability = draw.random(20_000) / 2
    label = (draw.random(20_000) < probability).astype(int)
    assert calibration_error(probability, label) < 0.02
    assert calibration_error(2 * probability, label) == pytest.approx(1 / 4, abs=0.02)


def test_fewer_events_than_bins_are_each_a_bin():
    assert calibration_error(np.array([0.2, 0.7]), np.array([0, 1])) == pytest.approx(
        (0.2 + 0.3) / 2
    )


@pytest.mark.parametrize("figure", [auc, log_loss, calibration_error])
@pytest.mark.parametrize(
    ("probability", "label", "message"),
    [
        ([0.5], [1, 0], "two equally long lists, not empty, but have shapes (1,) and (2,)"),
        ([], [], "not empty, but have shapes (0,) and (0,)"),
        ([0.5, 1.5], [1, 0], "must lie from 0 to 1 but reach from 0.5 to 1.5"),
        ([0.5, math.nan], [1, 0], "must lie from 0 to 1"),
        ([0.5, 0.5], [1, 3], "labels must be 0 or 1 but hold 3"),
    ],
)
def test_what_is_no_probability_or_label_is_refused(figure, probability, label, message):
    with pytest.raises(InputError) as raised:
        figure(np.array(probability), np.array(label))
    assert message in str(raised.value)


def test_the_order_of_equal_probabilities_plays_no_part_in_calibration():
    probability = np.full(20, 0.5)
    label = np.arange(20) < 10
    assert calibration_error(probability, label.astype(int)) == 0
    assert calibration_error(probability, (np.arange(20) < 15).astype(int)) == pytest.approx(1 / 4)
