import json
import math
from dataclasses import replace

from penchant.training.stopping import EarlyStopping


def after(values, patience=2):
    stopping = EarlyStopping(patience)
    for epoch, value in enumerate(values, start=1):
        stopping = stopping.see(epoch, value)
    return stopping


def test_equal_value_is_no_improvement():
    assert after([0.2, 0.2]).best_epoch == 1


def test_patience_counts_epochs_since_the_best():
    stopping = after([0.2, 0.1])
    assert [stopping.is_over(epoch) for epoch in (1, 2, 3)] == [False, False, True]


def test_undefined_value_is_worse_than_any():
    assert after([math.nan, 0.0]).best_epoch == 2
    assert after([0.1, math.nan]).best_epoch == 1


def test_of_a_loss_the_lowest_value_is_the_best():
    stopping = EarlyStopping(2, lower_is_better=True)
    for epoch, value in enumerate([math.nan, 0.7, 0.6, 0.6, 0.65], start=1):
        stopping = stopping.see(epoch, value)
    assert (stopping.best_epoch, stopping.best_value) == (3, 0.6)
    assert [stopping.is_over(epoch) for epoch in (4, 5)] == [False, True]


def test_state_survives_json_and_takes_another_patience():
    for stopping in (after([]), after([math.nan]), after([0.1, 0.3])):
        kept = json.loads(json.dumps(stopping.to_dict(), allow_nan=False))
        assert EarlyStopping(7).restored(kept) == replace(stopping, patience=7)
