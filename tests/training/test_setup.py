"""What a training is set up with follows from the data where the settings leave it open."""

from dataclasses import replace

import numpy as np
import pytest

from penchant.events import LogArrays, Part
from penchant.training.setup import batch_events

from .small import quick_config, small_data


@pytest.mark.parametrize(
    ("num_events", "events"),
    [(100, 256), (64 * 256 + 64, 257), (64 * 1_000, 1_000), (64 * 5_000, 4_096)],
)
def test_a_batch_holds_a_64th_of_the_training_part_within_bounds(num_events, events):
    rows = np.zeros(num_events, dtype=np.int64)
    log = LogArrays(
        rows, rows, rows, rows, rows + int(Part.TRAIN), np.array([0, num_events], dtype=np.int64)
    )
    data = replace(small_data(), log=log)
    assert batch_events(data, quick_config(batch_events=0)) == events


def test_a_batch_size_that_is_set_is_kept():
    assert batch_events(small_data(), quick_config(batch_events=17)) == 17
