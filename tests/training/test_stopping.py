import json
import math

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


def test_state_survives_json_and_takes_another_patience():
    for stopping in (after([]), after([math.nan]), after([0.1, 0.3])):
        kept = json.loads(json.dumps(stopping.to_dict(), allow_nan=False))
        assert EarlyStopping.from_dict(kept, 7) == EarlyStopping(
            7, stopping.best_epoch, stopping.best_value
        )
