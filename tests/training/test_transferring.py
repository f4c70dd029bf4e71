"""What was learned of words holds in another catalogue; what was learned of items does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from penchant.bundle import Bundle
from penchant.errors import ConfigError, EnvironmentFault, InputError, OutputExistsError
from penchant.recommender import Recommender
from penchant.training import Run, train, transfer, transfer_run
from penchant.training.transferring import text_of

from .words import GARDEN, KITCHEN, word_config, word_data


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    place = tmp_path_factory.mktemp("runs") / "garden"
    return train(word_data(), word_config(), place, reporter="none").run


@pytest.fixture(scope="module")
def source(run) -> Bundle:
    return Bundle.load(run.bundle)


@pytest.fixture(scope="module")
def kitchen():
    return word_data(KITCHEN, num_users=50)


def ndcg(bundle: Bundle, data) -> float:
    report = Recommender(bundle.config, bundle).evaluate(data, kinds=["popular"], num_draws=0)
    return report.metrics["ndcg@10"].value


def test_a_rule_on_words_holds_for_other_items_with_the_same_words(source, kitchen):
    by_chance = sum((1, 0.6309, 0.5, 0.4307, 0.3869, 0.3562, 0.3333, 0.3155, 0.3010, 0.2891)) / 25
    assert ndcg(transfer(source, kitchen), kitchen) > 2.5 * by_chance
    assert ndcg(transfer(source, kitchen, own_mean=False), kitchen) > 2.5 * by_chance


def test_the_turn_of_the_source_is_kept_and_the_mean_is_that_of_the_new_texts(source, kitchen):
    kept, own = transfer(source, kitchen, own_mean=False), transfer(source, kitchen)
    tables = [text_of(bundle) for bundle in (source, kept, own)]
    assert all(torch.equal(table.turn, tables[0].turn) for table in tables)
    assert torch.equal(tables[1].mean, tables[0].mean)
    assert not torch.equal(tables[2].mean, tables[0].mean)
    known = tables[2].vectors[tables[2].vectors.any(1)]
    torch.testing.assert_close(known.mean(0), torch.zeros(24), atol=1e-5, rtol=0)


def test_nothing_but_what_belongs_to_items_changes(source, kitchen):
    before, after = source.model.state_dict(), transfer(source, kitchen).model.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    texts = {f"items.sources.text.{name}" for name in ("vectors", "known", "mean")}
    assert changed == {"items.counts", "head.bias", *texts}
    assert after["head.bias"].unique().tolist() == pytest.approx(
        [float(before["head.bias"].mean())]
    )
    assert after["items.counts"].tolist() == [0.0] * 25


def test_a_transferred_bundle_is_saved_and_read_like_any_other(source, kitchen, tmp_path):
    made = transfer(source, kitchen)
    made.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.id == made.id == transfer(source, kitchen).id
    assert torch.equal(loaded.model.table(), made.model.table())
    assert loaded.facts["transferred_from"]["bundle"] == source.id
    assert loaded.facts["num_train_events"] == 0


def test_a_mixture_leaves_its_identities_behind(kitchen, tmp_path):
    sources = {"items.sources": ["identity", "text"], "items.gate": True}
    config = word_config(**sources, training={"num_epochs": 3})
    source = train(word_data(), config, tmp_path / "a", reporter="none").bundle
    made = transfer(source, kitchen).model.items
    weights = made.gate(None, made.counts, torch.tensor([[False, True]]).expand(25, -1))
    text = weights[:, 1:] * made.sources["text"](None)
    torch.testing.assert_close(made.table(), text)


def test_types_of_events_go_by_name_and_unknown_ones_are_read_as_the_first(source, kitchen):
    typed = replace(word_data(KITCHEN, event_type="buy"), event_types=("buy", "look"))
    assert transfer(source, typed).event_types == ("buy", "look", "event")
    assert ndcg(transfer(source, typed), typed) == pytest.approx(
        ndcg(transfer(source, word_data(KITCHEN)), word_data(KITCHEN))
    )


def test_settings_that_name_types_can_be_others(source):
    typed = word_data(KITCHEN, event_type="buy")
    made = transfer(source, typed, settings=["events.target_types=['buy']"])
    assert made.config.events.target_types == ("buy",)
    with pytest.raises(ConfigError, match=r"keeps its settings, but encoder\.num_layers would"):
        transfer(source, typed, settings=["encoder.num_layers=3"])
    with pytest.raises(ConfigError, match='target_types names "look", which no event has'):
        transfer(source, typed, settings=["events.target_types=['look']"])


def test_a_run_is_made_that_says_where_it_comes_from(run, source, kitchen, tmp_path):
    place = tmp_path / "kitchen"
    made, bundle = transfer_run(run.path, kitchen, place, data_path=tmp_path / "data")
    manifest = json.loads((place / "run.json").read_text())
    assert manifest["transferred_from"] == {"path": str(run.path), "bundle": source.id}
    assert (manifest["state"], manifest["bundle"]) == ("done", bundle.id)
    assert Recommender.load(place).evaluate(kitchen, num_draws=0).num_targets == 50
    assert made.manifest["test_looks"] == 1
    with pytest.raises(OutputExistsError, match="exists"):
        transfer_run(run.path, kitchen, place)


def test_the_recommender_speaks_of_the_other_items(run, kitchen):
    made = Recommender.load(run.path).transfer(kitchen)
    history = [kitchen.items.id(0), kitchen.items.id(1)]
    table = made.recommend(histories=[history], k=25, exclude_seen=False)
    assert set(table["item_id"]) == set(kitchen.items)
    assert made.evaluate(num_draws=0).num_targets == 50


def test_a_recommender_is_fitted_from_a_transferred_one(run, kitchen, tmp_path):
    made = transfer_run(run.path, kitchen, tmp_path / "kitchen")[0]
    config = run.config.override({"training.num_epochs": 1})
    fitted = Recommender(config).fit(kitchen, warm_start=made.path, progress="none")
    assert fitted.bundle.facts["num_train_events"] > 0


def test_a_transferred_run_cannot_be_resumed_but_started_from(run, kitchen, tmp_path):
    made, _ = transfer_run(run.path, kitchen, tmp_path / "kitchen")
    with pytest.raises(InputError, match="was transferred") as caught:
        train(kitchen, None, made.path, resume=True, reporter="none")
    assert caught.value.hint.endswith(f"--warm-start {made.path}")


def test_a_model_that_reads_no_text_is_refused(kitchen, tmp_path):
    config = word_config(**{"items.kind": "identity", "training.num_epochs": 1})
    source = train(word_data(), config, tmp_path / "a", reporter="none").bundle
    with pytest.raises(InputError, match=r"reads items by their texts .* has identity"):
        transfer(source, kitchen)


def test_items_without_titles_are_refused(source):
    with pytest.raises(ConfigError, match="title"):
        transfer(source, word_data(KITCHEN, has_titles=False))


def test_another_language_model_is_refused(source, kitchen):
    facts = {**source.facts, "text": {"model": "minilm", "fingerprint": "0123456789abcdef"}}
    with pytest.raises(EnvironmentFault, match=r"minilm with fingerprint 0123456789ab, but hash"):
        transfer(replace(source, facts=facts), kitchen)


def test_how_much_like_texts_count_is_chosen_on_the_new_data(tmp_path):
    config = word_config(likeness={"kind": "text", "decay": 0.5})
    source = train(word_data(GARDEN), config, tmp_path / "run", reporter="none").bundle
    said: list[str] = []
    data = word_data(KITCHEN, num_users=150)
    kept = transfer(source, data, told=said.append)
    assert kept.model.likeness.numbers.tolist() == source.model.likeness.numbers.tolist()
    chosen = transfer(source, data, choose=True, told=said.append)
    assert [line.partition(":")[0] for line in said][-1] == "texts that are alike"
    assert chosen.model.likeness.numbers[0] == 0.5, "what is given stays"
    found, before = (Recommender(one.config, one).evaluate(data, on="validation", kinds=["random"])
                     for one in (chosen, kept))  # fmt: skip
    assert found.metrics["ndcg@10"].value >= before.metrics["ndcg@10"].value
