"""A training that starts from a model: by name, by id, and as well after it was interrupted."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import polars as pl
import pytest
import torch

from penchant.bundle import Bundle
from penchant.errors import ConfigError, InputError, TrainingInterrupted
from penchant.events import EventLog
from penchant.training import Run, fresh_model, train, trainer
from penchant.training.carrying_over import carry_over

from .small import quick_config
from .test_sitting import PowerCutError, Stopper, assert_equal_runs
from .words import GARDEN, KITCHEN, word_config, word_data

FIRST = (("k", "War", 2.0), ("m", "Drama", 5.0), ("n", "War", 1.0), ("p", "Opera", 8.0))
SECOND = (("n", "Drama", 3.0), ("x", "Farce", 4.0), ("k", "Opera", 9.0))


def featured_data(rows, types=("event",), genres: str = "category"):
    ids = [row[0] for row in rows]
    order = [ids[(5 * place + place // 7) % len(ids)] for place in range(31)]
    events = pl.DataFrame(
        {
            "user_id": [f"u{place % 5}" for place in range(len(order))],
            "item_id": order,
            "timestamp": [1_000_000 + 1_000 * place for place in range(len(order))],
            "event_type": [types[place % len(types)] for place in range(len(order))],
        }
    )
    columns = {"item_id": ids, "kind": [r[1] for r in rows], "price": [r[2] for r in rows]}
    columns[genres] = [f"{row[1]}|All" for row in rows]
    return EventLog.read(events, items=pl.DataFrame(columns)).prepare(split="leave-one-out")


def stirred(data, config) -> Bundle:
    torch.manual_seed(4)
    model = fresh_model(data, config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight))
    return Bundle.of(model, config, data)


def carried(data, source: Bundle):
    torch.manual_seed(9)
    model = fresh_model(data, source.config)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    return carry_over(model, source, data), before, model.state_dict()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    config = word_config(**{"items.sources": ["identity", "text"], "training.num_epochs": 2})
    place = tmp_path_factory.mktemp("runs") / "garden"
    return train(word_data(), config, place, reporter="none").run


def test_items_are_found_by_their_ids_and_the_others_start_fresh():
    data, other = featured_data(FIRST), featured_data(SECOND)
    source = stirred(data, quick_config())
    num_known, before, after = carried(other, source)
    assert num_known == 2
    kept = source.model.state_dict()
    for name in ("n", "k"):
        old, new = data.items.index(name), other.items.index(name)
        for weight in ("items.vectors.weight", "head.bias"):
            assert torch.equal(after[weight][new], kept[weight][old])
    fresh = other.items.index("x")
    vectors = "items.vectors.weight"
    assert torch.equal(after[vectors][fresh], before[vectors][fresh])
    assert after["head.bias"][fresh] == pytest.approx(float(kept["head.bias"].mean()))


def test_values_of_attributes_are_found_by_their_names():
    data, other = featured_data(FIRST), featured_data(SECOND)
    source = stirred(data, quick_config())
    _, _, after = carried(other, source)
    kept = source.model.state_dict()
    old, new = (
        dict(zip(d.features.categorical_names, range(9), strict=False)) for d in (data, other)
    )
    name = "items.attributes.categories.{}.weight"
    was, now = kept[name.format(old["kind"])], after[name.format(new["kind"])]
    values = [
        next(a.values for a in d.encoder.attributes if a.name == "kind") for d in (data, other)
    ]
    for value in ("Drama", "Opera"):
        assert torch.equal(now[values[1].index(value) + 1], was[values[0].index(value) + 1])
    assert torch.equal(now[values[1].index("Farce") + 1], was[0])
    assert torch.equal(now[0], was[0])
    assert torch.equal(
        after["items.attributes.numbers.weight"], kept["items.attributes.numbers.weight"]
    )


def test_members_of_bags_are_found_by_their_names():
    data, other = featured_data(FIRST), featured_data(SECOND)
    source = stirred(data, quick_config())
    _, _, after = carried(other, source)
    bags = [next(a.values for a in d.encoder.attributes if a.kind == "bag") for d in (data, other)]
    was = source.model.state_dict()["items.attributes.bag.weight"]
    now = after["items.attributes.bag.weight"]
    for value in ("Drama", "Opera", "All"):
        assert torch.equal(now[bags[1].index(value)], was[bags[0].index(value)])
    assert not now[bags[1].index("Farce")].any()


def test_an_attribute_that_the_source_does_not_have_says_nothing_or_starts_fresh():
    other = featured_data(SECOND, genres="genres")
    source = stirred(featured_data(FIRST, genres="tags"), quick_config())
    _, _, after = carried(other, source)
    assert not after["items.attributes.bag.weight"].any()


def test_types_of_events_are_found_by_their_names():
    data = featured_data(FIRST, ("view", "view", "buy"))
    other = featured_data(SECOND, ("like", "buy", "buy"))
    source = stirred(data, quick_config())
    _, _, after = carried(other, source)
    was, now = source.model.state_dict()["behaviour.types.weight"], after["behaviour.types.weight"]
    assert (data.event_types, other.event_types) == (("view", "buy"), ("buy", "like"))
    assert torch.equal(now, was[[1, 0]])


def test_everything_else_is_taken_as_it_is():
    source = stirred(featured_data(FIRST), quick_config())
    _, _, after = carried(featured_data(SECOND), source)
    kept = source.model.state_dict()
    same = {name for name in after if kept[name].shape == after[name].shape}
    same = {name for name in same if torch.equal(kept[name], after[name])}
    parts = {name for name in after if name.startswith(("encoder", "interest", "readout"))}
    assert parts | {"behaviour.value.weight", "behaviour.value_mean"} <= same


def test_a_training_starts_where_the_other_ended(run, tmp_path):
    config = run.config.override({"training.num_epochs": 1, "training.learning_rate": 1e-9})
    result = train(word_data(), config, tmp_path / "b", warm_start=run.path, reporter="none")
    before, after = (
        bundle.model.state_dict() for bundle in (Bundle.load(run.bundle), result.bundle)
    )
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, atol=1e-6, rtol=0)
    told = json.loads((tmp_path / "b" / "run.json").read_text())["warm_start"]
    assert told == {"path": str(run.path), "bundle": Bundle.load(run.bundle).id}


def test_few_events_are_enough_for_what_the_source_knows(run, tmp_path):
    few = word_data(KITCHEN, num_users=9)
    config = run.config.override({"training.num_epochs": 3, "items.sources": ["text"]})
    warm = train(few, config, tmp_path / "warm", warm_start=run.path, reporter="none")
    cold = train(few, config, tmp_path / "cold", reporter="none")
    assert warm.best_value is not None
    assert cold.best_value is not None
    assert warm.best_value > 1.3 * cold.best_value


def test_settings_of_the_source_are_taken_where_none_are_given(run, tmp_path):
    result = train(word_data(KITCHEN), None, tmp_path / "b", warm_start=run.path, reporter="none")
    assert not run.config.differences(result.run.config)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_an_interrupted_warm_start_goes_on_to_the_same_numbers(run, tmp_path, num_steps):
    data = word_data(GARDEN[::2], num_users=40)
    whole = train(data, None, tmp_path / "a", warm_start=run.path, reporter="none").run
    stop = Stopper(num_steps, signal.SIGINT)
    with pytest.raises(TrainingInterrupted):
        train(data, None, tmp_path / "b", warm_start=run.path, reporter=stop)
    assert_equal_runs(whole, train(data, None, tmp_path / "b", resume=True, reporter="none").run)


def test_a_warm_start_that_ended_before_its_first_checkpoint_starts_warm_again(
    run, tmp_path, monkeypatch
):
    data, source = word_data(GARDEN[::2], num_users=40), tmp_path / "source"
    shutil.copytree(run.path, source)
    whole = train(data, None, tmp_path / "a", warm_start=source, reporter="none").run

    def cut(self, tracker):
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "fit", cut)
        with pytest.raises(PowerCutError):
            train(data, None, tmp_path / "b", warm_start=source, reporter="none")
    again = train(data, None, tmp_path / "b", resume=True, reporter="none").run
    assert_equal_runs(whole, again)
    again.last.unlink()
    again.update(warm_start={"path": str(source), "bundle": "000000000000"})
    with pytest.raises(InputError, match=r"must start from bundle 000000000000, but .* holds"):
        train(data, None, again.path, resume=True, reporter="none")


def test_another_model_is_refused_by_setting_and_value(run, tmp_path):
    config = word_config(**{"width": 8, "encoder.kind": "gru", "readout.dropout_rate": 0.7})
    with pytest.raises(ConfigError) as caught:
        train(word_data(), config, tmp_path / "b", warm_start=run.path, reporter="none")
    assert "width (8 here, 16 there), encoder.kind (gru here, linear there)" in str(caught.value)
    assert "dropout_rate" not in str(caught.value)
    assert not (tmp_path / "b").exists()


def test_texts_must_be_turned_alike(run, tmp_path):
    config = run.config.override({"text.num_directions": 5})
    with pytest.raises(ConfigError, match=r"text\.num_directions \(5 here, 24 there\)"):
        train(word_data(), config, tmp_path / "b", warm_start=run.path, reporter="none")


def test_the_same_ids_mean_the_same_items_however_they_are_ordered(run, tmp_path):
    source, data = Bundle.load(run.bundle), word_data(GARDEN[::-1])
    order = source.vocabulary.indices(data.items.series)
    assert not np.array_equal(order, np.arange(len(order)))
    config = run.config.override({"training.num_epochs": 1, "training.learning_rate": 1e-9})
    warm = train(data, config, tmp_path / "b", warm_start=run.path, reporter="none").bundle
    known = order >= 0
    identities = source.model.items.vectors.weight[order[known]]
    torch.testing.assert_close(
        warm.model.items.vectors.weight[known], identities, atol=1e-6, rtol=0
    )
