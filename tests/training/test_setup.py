"""What a training is set up with follows from the data where the settings leave it open."""

import math
from dataclasses import replace

import numpy as np
import pytest

from penchant.encoders import PairBias
from penchant.errors import ConfigError, EnvironmentFault
from penchant.events import LogArrays, Part
from penchant.training import Run, train
from penchant.training.setup import batch_events, fresh_model

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


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (["width=9"], ConfigError),  # no multiple of the heads
        (["loss.kind=binary"], ConfigError),  # with a head that has no probabilities
        (["training.device=cuda:9"], EnvironmentFault),
    ],
)
def test_parts_that_do_not_go_together_leave_no_run_and_spare_the_old_one(tmp_path, changes, error):
    data, config = small_data(), quick_config().override(changes)
    with pytest.raises(error):
        train(data, config, tmp_path / "a", reporter="none")
    assert not (tmp_path / "a").exists()
    old = Run.create(tmp_path / "b", data, quick_config())
    with pytest.raises(error):
        train(data, config, old.path, overwrite=True, reporter="none")
    assert old.config == quick_config()


def test_the_longest_time_between_two_events_is_that_of_the_training_part():
    chosen = {"encoder": {"kind": "transformer", "position": "rotary_and_time"}}
    data = small_data()
    encoder = fresh_model(data, quick_config().override(chosen)).encoder
    train = data.log.train
    spans = train.time_ms[train.offsets[1:] - 1] - train.time_ms[train.offsets[:-1]]
    doublings = int(math.log2(1 + spans.max() / 1000))
    highest = [int(part.highest) for part in encoder.modules() if isinstance(part, PairBias)]
    assert highest == [1 + doublings] * 2
