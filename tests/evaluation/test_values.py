"""Expected values beside the mean of the training part."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.evaluation import evaluate_model
from penchant.interest import ValueReadout
from penchant.sequences.roles import EventRoles

from .small import Data, log_of
from .test_model_ranker import WIDTH, make_model

NAN = np.nan
ITEMS = [[0, 1, 2, 1, 3], [2, -1, 0], [4, 5]]
VALUES = np.array([4.0, NAN, 8.0, NAN, 5.0, 6.0, 3.0, 1.0, NAN, 2.0], dtype=np.float32)
LOG = replace(log_of(ITEMS, ["ttsss", "tss", "ts"]), value=VALUES)


def valued_model(constant: float):
    """Return a model that expects the same value of every target."""
    model = make_model()
    model.value = ValueReadout(WIDTH).double()
    with torch.no_grad():
        model.value.narrow.bias.fill_(constant)
    return model


def test_errors_are_absolute_and_means_are_over_targets_that_carry_a_value():
    report = evaluate_model(valued_model(4.5), Data(LOG, 17), exclude_seen=False)
    # values tested: 8, none, 5 · of an unknown item, 1 · 2 · in training: 4, none, 6, none
    assert report.protocol["valued_targets"] == 4
    wanted = (abs(4.5 - 8) + abs(4.5 - 5) + abs(4.5 - 1)) + abs(4.5 - 2)
    assert report.metrics["value_error"].value == pytest.approx(wanted / 4)
    usual = (abs(5 - 8) + abs(5 - 5) + abs(5 - 1) + abs(5 - 2)) / 4
    assert report.baselines["mean_value"]["value_error"].value == pytest.approx(usual)
    difference = report.differences["mean_value"]["value_error"]
    assert difference.value == pytest.approx(wanted / 4 - usual)
    assert difference.low <= difference.value <= difference.high
    text = report.render()
    assert "Values: 4 targets with a known item and a value; less is better." in text
    assert "value_error" in text


def test_a_model_that_learned_none_and_a_part_without_any_say_nothing():
    plain = evaluate_model(make_model(), Data(LOG, 17), num_draws=0)
    bare = replace(LOG, value=np.full_like(VALUES, NAN))
    empty = evaluate_model(valued_model(1.0), Data(bare, 17), num_draws=0)
    for report in (plain, empty):
        assert "value_error" not in report.metrics
        assert "valued_targets" not in report.protocol


def test_values_of_what_is_no_target_do_not_count():
    types = np.array([0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    log = replace(LOG, event_type=types)
    roles = EventRoles(target_weights=((1.0, 0.0),))
    report = evaluate_model(valued_model(4.5), Data(log, 17), roles=roles, num_draws=0)
    assert report.protocol["valued_targets"] == 3
