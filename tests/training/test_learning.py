"""Every loss and every head learns the rule of a small log; the model is then asked for lists."""

import polars as pl
import pytest
import torch

from penchant import Recommender
from penchant.bundle import Bundle
from penchant.errors import ConfigError
from penchant.losses import losses
from penchant.training import SilentReporter, setup, train

from .small import NUM_ITEMS, quick_config, small_data

COSINES = {"head.normalised": True, "head.temperature": 0.2}
CASES = {
    "full softmax": {"loss.label_smoothing": 0.05},
    "cosines": COSINES,
    "uniform": {"loss.kind": "sampled_softmax", "loss.num_negatives": 6},
    "in batch": {"loss.kind": "sampled_softmax", "loss.negatives": "in_batch"},
    "mixed": {"loss.kind": "sampled_softmax", "loss.negatives": "mixed", "loss.num_negatives": 20},
    "gbce": {"loss.kind": "gbce", "loss.num_negatives": 6},
    "bce": {"loss.kind": "bce", "loss.num_negatives": 9},
    "bpr": {"loss.kind": "bpr", "loss.num_negatives": 6},
    "regression": {"loss.kind": "regression", "head.normalised": True},
    "several interests": {"head.kind": "several", **COSINES},
    "several, sampled": {"head.kind": "several", **COSINES, "loss.kind": "sampled_softmax"},
    "mixture": {"head.kind": "mixture"},
    "mixture, sampled": {"head.kind": "mixture", "loss.kind": "sampled_softmax"},
}


def test_every_loss_of_the_next_item_is_among_the_cases():
    kinds = {case.get("loss.kind", "full_softmax") for case in CASES.values()}
    assert kinds | {"binary"} == set(losses)


@pytest.mark.parametrize("settings", CASES.values(), ids=list(CASES))
def test_a_rule_is_learned_and_lists_are_made(settings, tmp_path):
    data, optimizer = small_data(60), "sparse_adamw" if "loss.kind" in settings else "adamw"
    config = quick_config(num_epochs=4, learning_rate=0.03, optimizer=optimizer)
    result = train(data, config.override(settings), tmp_path / "a", reporter="none")
    assert result.best_value > 0.45  # by chance about 0.35
    rec = Recommender.load(tmp_path / "a")
    histories = [["item 4", "item 0"], ["item 7"]]
    table = rec.recommend(histories=histories, k=4, exclude_seen=True)
    assert table.group_by("user_id").len()["len"].to_list() == [4, 4]
    assert not set(table.filter(pl.col("user_id") == table["user_id"][0])["item_id"]) & {
        "item 4",
        "item 0",
    }


def test_without_its_guard_a_regression_lets_item_vectors_fall_together(tmp_path):
    alike = {}
    for spread in (0.0, 1.0):
        settings = {
            **CASES["regression"],
            "loss.spread_weight": spread,
            "loss.interest_weight": 0.0,
        }
        config = quick_config(num_epochs=8, patience=8, learning_rate=0.03).override(settings)
        bundle = train(small_data(60), config, tmp_path / f"{spread}", reporter="none").bundle
        vectors = torch.nn.functional.normalize(bundle.model.table().detach())
        alike[spread] = float((vectors @ vectors.T).square().mean())
    assert 1 / 8 <= alike[1.0] < 1 / 8 + 0.01  # in 8 directions used alike
    assert alike[0.0] > 1 / 8 + 0.04


class Listener(SilentReporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_loss_and_optimizer_are_chosen_by_the_size_of_the_catalogue_and_it_is_said(tmp_path):
    data, listener = small_data(), Listener()
    for limit, kind in ((NUM_ITEMS, "full_softmax"), (NUM_ITEMS - 1, "sampled_softmax")):
        config = quick_config(num_epochs=1).override(
            {"loss.full_up_to": limit, "loss.num_negatives": 5, "loss.interest_share": 0.3}
        )
        assert (config.loss.kind, config.training.optimizer) == ("auto", "auto")
        train(data, config, tmp_path / kind, reporter=listener)
        said = f"13 items: loss {kind} (full softmax up to {limit} items), optimizer adamw"
        assert said in listener.notes
        chosen = Bundle.load(tmp_path / kind / "bundle").config
        assert (chosen.loss.kind, chosen.training.optimizer) == (kind, "adamw")
        assert chosen.loss.settings["interest_share"] == 0.3
        assert "full_up_to" not in chosen.loss.settings
    assert chosen.loss.settings["num_negatives"] == 5
    resumed = train(data, config, tmp_path / kind, resume=True, reporter="none")
    assert resumed.reason == "num_epochs"


def test_a_large_catalogue_gets_an_optimizer_that_touches_only_the_rows_used(monkeypatch):
    monkeypatch.setattr(setup, "ROWS_FROM", NUM_ITEMS - 1)
    for limit, wanted in ((NUM_ITEMS, "adamw"), (NUM_ITEMS - 1, "sparse_adamw")):
        config = quick_config().override({"loss.full_up_to": limit})
        assert setup.with_choices(small_data(), config)[0].training.optimizer == wanted
    config = quick_config().override({"training.optimizer": "adamw", "loss.full_up_to": 1})
    chosen, told = setup.with_choices(small_data(), config)
    assert chosen.training.optimizer == "adamw"
    assert told == "13 items: loss sampled_softmax (full softmax up to 1 items)"
    assert setup.with_choices(small_data(), chosen) == (chosen, "")


def test_a_training_that_touches_only_rows_used_is_resumed_to_the_same_numbers(tmp_path):
    data = small_data()
    settings = {"loss.kind": "sampled_softmax", "loss.num_negatives": 4}
    whole = quick_config(num_epochs=3, optimizer="sparse_adamw").override(settings)
    first = whole.override({"training.num_epochs": 1})
    unbroken = train(data, whole, tmp_path / "a", reporter="none")
    train(data, first, tmp_path / "b", reporter="none")
    resumed = train(data, whole, tmp_path / "b", resume=True, reporter="none")
    assert resumed.bundle.id == unbroken.bundle.id


def test_a_loss_that_its_head_cannot_serve_leaves_no_run(tmp_path):
    config = quick_config().override({"loss.kind": "regression"})
    with pytest.raises(ConfigError, match=r"compares directions, but head \"dot\" does not"):
        train(small_data(), config, tmp_path / "a", reporter="none")
    assert not (tmp_path / "a").exists()
