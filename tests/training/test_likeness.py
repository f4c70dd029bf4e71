"""Texts that are alike: what is chosen after the training, and that it serves new items."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from penchant import Live, Recommender
from penchant.bundle import Bundle
from penchant.config import Config
from penchant.errors import ConfigError
from penchant.evaluation import ModelRanker
from penchant.events import EventLog, Part, PreparedData
from penchant.sequences.targets import target_blocks
from penchant.training import train
from penchant.training.likeness import choose_likeness

from .words import word_config, word_data

SERIES = ("amber", "birch", "coral", "dune", "ember", "fjord")
VOLUMES = 9


def series_data(hold_out_items: float = 0.0) -> PreparedData:
    """A log of users who each stay with one series, whose volumes share a word."""
    rng = np.random.default_rng(4)
    users, items, times = [], [], []
    for user in range(240):
        series = SERIES[user % len(SERIES)]
        for place, volume in enumerate(rng.permutation(VOLUMES)[: 4 + user % 3]):
            users.append(f"u{user}")
            items.append(f"{series}-{volume}")
            times.append(1_000_000 + 977 * place + 31 * user)
    events = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    names = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    rows = [
        {"item_id": f"{series}-{volume}", "title": f"{series} {names[volume]}"}
        for series in reversed(SERIES)
        for volume in range(VOLUMES)
    ]
    log = EventLog.read(events, items=pl.DataFrame(rows))
    return log.prepare(split="leave-one-out", hold_out_items=hold_out_items)


def series_config(**changes) -> Config:
    items = {"sources": ["identity", "text"]}
    training = {"num_epochs": 1, "learning_rate": 0.001}
    evaluation = {"exclude_seen": True}
    own = {"items": items, "training": training, "evaluation": evaluation}
    return word_config(**own).override(changes)


def fitted(data: PreparedData, tmp_path, **changes) -> Bundle:
    return train(data, series_config(**changes), tmp_path, reporter="none").bundle


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return series_data(hold_out_items=0.15)


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory) -> Bundle:
    run = tmp_path_factory.mktemp("likeness") / "run"
    return fitted(data, run, **{"likeness.kind": "text"})


def test_a_series_is_found_by_its_word_and_training_is_as_without(data, bundle, tmp_path):
    decay, weight, new_item_weight, offset = bundle.model.likeness.numbers.tolist()
    assert 0 <= decay < 1
    assert weight >= 1
    assert new_item_weight >= 1
    assert offset <= 0
    plain = fitted(data, tmp_path / "plain")
    with_it = dict(bundle.model.named_parameters())
    for name, parameter in plain.model.named_parameters():
        assert torch.equal(parameter, with_it[name]), name
    report = Recommender(bundle.config, bundle).evaluate(data, candidates="cold", kinds=["random"])
    before = Recommender(plain.config, plain).evaluate(data, candidates="cold", kinds=["random"])
    assert report.metrics["ndcg@10"].value > before.metrics["ndcg@10"].value + 0.03


def test_a_saved_bundle_scores_alike(data, bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    again = Bundle.load(tmp_path / "bundle")
    [block] = target_blocks(data.log, Part.TEST)
    before, after = (ModelRanker(one.model).score(block) for one in (bundle, again))
    np.testing.assert_array_equal(before, after)
    assert again.id == bundle.id


def test_a_list_from_memory_is_that_of_the_evaluation(data, bundle):
    [block] = target_blocks(data.log, Part.TEST)
    offline = ModelRanker(bundle.model).score(block)
    ids = bundle.vocabulary.ids
    for target in (0, 17, 101):
        row, start = block.rows[target], block.starts[target]
        with Live(bundle, clock=lambda: 3_000_000.0) as live:
            for place in range(start, row):
                event = {"item_id": ids[block.log.item_index[place]]}
                live.observe({"user_id": "u", **event, "timestamp": block.log.time_ms[place] / 1e3})
            listed = live.recommend("u", k=len(ids), exclude_seen=False)
            scores = [item.score for item in listed]
        order = np.argsort(-offline[target], kind="stable")
        np.testing.assert_allclose(scores, offline[target][order], atol=1e-5)


def test_a_new_volume_is_recommended_to_who_reads_the_series(bundle):
    with Live(bundle) as live:
        live.put_item({"item_id": "coral-10", "title": "coral ten"})
        live.put_item({"item_id": "dune-10", "title": "dune ten"})
        for place, volume in enumerate((3, 1, 5)):
            live.observe({"user_id": "u", "item_id": f"coral-{volume}", "timestamp": 10 + place})
        order = live.recommend("u", k=100).item_ids
        assert order.index("coral-10") < order.index("dune-10")
        live.observe({"user_id": "w", "item_id": "dune-10", "timestamp": 20})
        order = live.recommend("w", k=100).item_ids
        assert order.index("dune-3") < order.index("coral-3"), "a new item's text is remembered"


def test_a_later_item_has_the_row_that_it_would_have_had(data, bundle):
    new = int(np.flatnonzero(bundle.item_counts == 0)[0])
    title = data.item_table["title"][new]
    with Live(bundle) as live:
        live.put_item({"item_id": "again", "title": title})
        table = live._ranker.table
        torch.testing.assert_close(table[-1], table[new], atol=1e-5, rtol=0)


def test_given_numbers_stay_and_few_targets_choose_nothing(data, tmp_path):
    given = {"decay": 0.25, "weight": 3.0, "new_item_weight": 5.0, "new_item_offset": -0.5}
    kept = fitted(data, tmp_path / "given", likeness={"kind": "text", **given})
    assert kept.model.likeness.numbers.tolist() == [0.25, 3, 5, -0.5]
    few = word_data(num_users=20)
    config = word_config(likeness={"kind": "text"})
    said: list[str] = []
    found = train(few, config, tmp_path / "few", reporter="none").bundle
    assert found.model.likeness.numbers.tolist() == [0.7, 1, 4, 0]
    choose_likeness(found.model, few, config, said.append)
    assert said[0].startswith("texts that are alike: decay 0.7, weight 1, of new items 4")


def test_items_without_texts_are_refused(tmp_path):
    config = word_config().override({"items.sources": ["identity"], "likeness.kind": "text"})
    with pytest.raises(ConfigError, match="needs items that read texts"):
        train(word_data(), config, tmp_path / "run", reporter="none")
