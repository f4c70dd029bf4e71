"""A transformer through a whole training: chunks read alone, resumed alike, kept and described."""

from __future__ import annotations

import pytest
import torch

from penchant.bundle import Bundle
from penchant.config import Config
from penchant.encoders import EventWindow
from penchant.errors import TrainingInterrupted
from penchant.packed import PackedEvents
from penchant.training import Run, SilentReporter, train
from penchant.training.checkpoints import Checkpoint
from penchant.training.trainer import Trainer

from .small import quick_config
from .test_sitting import Stopper, assert_equal_runs


def transformer(**training) -> Config:
    chosen = {"encoder": {"kind": "transformer", "window": 4, "num_heads": 2}}
    return quick_config(**training).override(chosen)


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory) -> Run:
    directory = tmp_path_factory.mktemp("runs") / "a"
    return train(data, transformer(), directory, reporter="none").run


def test_training_interrupted_between_chunks_goes_on_to_the_same_numbers(data, unbroken, tmp_path):
    with pytest.raises(TrainingInterrupted):
        train(data, transformer(), tmp_path / "b", reporter=Stopper(3))
    kept = Checkpoint.load(Run(tmp_path / "b").last)
    assert any(tensor.dtype == torch.int32 for tensor in kept.of("carried").values())
    second = train(data, transformer(), tmp_path / "b", resume=True, reporter="none")
    assert_equal_runs(unbroken, second.run)


def test_a_chunk_of_a_history_is_read_without_the_one_before_it(data, tmp_path):
    """The sums of the attention are carried, the window is not."""
    run = Run.create(tmp_path / "run", data, transformer())
    trainer = Trainer(data, transformer(), run, SilentReporter())
    before, batch = None, None
    for batch in trainer.loader.epoch(0):
        if batch.carries:
            break
        trainer._step(batch)
        before = trainer._carried
    assert before is not None
    assert batch is not None
    memories = trainer._memories_for(batch)
    assert memories is not None
    assert isinstance(memories.encoder, EventWindow)
    assert memories.encoder.num_kept.tolist() == [0] * batch.events.num_users
    num_users = batch.events.num_users
    assert torch.equal(memories.attention.total, before.attention.total[:num_users])
    assert before.encoder.num_kept[:num_users].min() > 0


def test_a_bundle_gives_the_same_memories_after_loading(unbroken):
    """Loaded twice, bit for bit; and what the memory shows has the size that is declared."""
    one, other = Bundle.load(unbroken.bundle).model, Bundle.load(unbroken.bundle).model
    events = PackedEvents.from_lists([[3, 1, 4, 1, 5, 9, 2], [6]])
    with torch.inference_mode():
        (trace, state), (again, _) = one(events), other(events)
    assert torch.equal(trace.hidden, again.hidden)
    window = 2 * (4 - 1)  # two layers that each see three events further back
    assert state.encoder.item_index.shape == (2, window)
