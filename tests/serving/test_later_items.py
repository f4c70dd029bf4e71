"""Items that came after the training are read by the saved bundle, and served at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from penchant import Live, Recommender
from penchant.bundle import Bundle
from penchant.config import Config, build_model
from penchant.errors import EnvironmentFault, InputError
from penchant.evaluation import ModelRanker
from penchant.events import FeatureEncoder, Vocabulary
from penchant.items import ItemContent, TextTable
from penchant.serving.later_items import ItemReader, with_later_items
from penchant.serving.ranking import Ranker
from penchant.stores.memory import InProcessStore
from penchant.texts import encode_texts, prompts

from ..evaluation.small import block_of

TITLES = ["green tea", "black tea", "red wine", "oat milk", None, "white wine"]
IDS = ["a", "b", "c", "d", "e", "f"]
COUNTS = [4, 3, 1, 2, 1, 0]
"""Item f, a white wine, was never taken."""


def mixture_bundle(*sources: str, model: str = "hashing") -> Bundle:
    """Return an untrained bundle whose every number is random, read by hashed words."""
    table = pl.DataFrame({"item_id": IDS, "title": TITLES, "colour": list("xyxyxy")})
    encoder = FeatureEncoder.fit(table, np.array(COUNTS))
    settings = {"kind": "mixture", "sources": list(sources or ("identity", "text"))}
    config = Config.load("default", {"width": 8, "items": settings, "text.model": model}, {})
    encoded = encode_texts(prompts({"title": TITLES}), "hashing")
    counts = torch.tensor(COUNTS)
    text = TextTable.fit(torch.from_numpy(encoded.vectors), counts > 0, "whitening", 3)
    torch.manual_seed(5)
    features = encoder.transform(table)
    network = build_model(config, len(IDS), 1, features, ItemContent(counts, text)).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "decay" not in name and "own" not in name:
                weight.copy_(torch.randn_like(weight) * 0.3)
    return Bundle(
        model=network,
        config=config,
        vocabulary=Vocabulary(IDS),
        item_table=table,
        encoder=encoder,
        event_types=("event",),
        item_counts=np.array(COUNTS),
        facts={"has_times": True, "text": {"model": "hashing", "fingerprint": encoded.fingerprint}},
    )


def event(item_id: str, second: float) -> dict:
    return {"user_id": "u", "item_id": item_id, "timestamp": second}


@pytest.mark.parametrize(
    "sources", [("text",), ("identity", "text"), ("identity", "text", "features")]
)
def test_a_later_item_has_the_vector_that_it_would_have_had(sources):
    bundle = mixture_bundle(*sources)
    vectors, known = ItemReader(bundle).read([{"title": "white wine", "colour": "y", "new": 1}])
    torch.testing.assert_close(vectors[0], bundle.model.table()[5])
    assert known.tolist() == [True]


def test_an_item_of_which_nothing_is_said_has_no_vector():
    vectors, known = ItemReader(mixture_bundle()).read([{"title": " "}, {"price": 3}])
    assert vectors.abs().sum() == 0
    assert known.tolist() == [False, False]


def test_a_new_item_is_recommended_and_moves_memories_at_once():
    bundle = mixture_bundle()
    with Live(bundle) as live:
        live.observe([event("a", 10), event("c", 20)])
        before = live.recommend("u", at=50)
        result = live.put_item({"item_id": "new", "title": "white wine"})
        assert result.can_be_recommended
        after = live.recommend("u", at=50)
        assert set(after.item_ids) == {*before.item_ids, "new"}
        scores = {item.item_id: item.score for item in after}
        assert scores["new"] == pytest.approx(scores["f"], abs=1e-5), "the same title as f"
        live.observe(event("new", 60))
        alike = Live(bundle)
        alike.observe([event("a", 10), event("c", 20), event("f", 60)])
        left = [item for item in live.recommend("u", at=99) if item.item_id not in ("f", "new")]
        same = [item for item in alike.recommend("u", at=99) if item.item_id not in ("f", "new")]
        assert [item.item_id for item in left] == [item.item_id for item in same]
        assert [i.score for i in left] == pytest.approx([i.score for i in same], abs=1e-5)


def test_new_items_are_favoured_by_the_bonus_and_no_others():
    bundle = mixture_bundle()
    with Live(bundle) as plain, Live(bundle, new_item_bonus=1.5) as live:
        scores = []
        for engine in (plain, live):
            engine.put_item({"item_id": "new", "title": "green milk"})
            listed = engine.recommend(k=7, at=50)
            scores.append({item.item_id: item.score for item in listed})
    gained = {name: scores[1][name] - scores[0][name] for name in scores[0]}
    assert gained == pytest.approx({**dict.fromkeys(IDS, 0), "f": 1.5, "new": 1.5}, abs=1e-5)
    block = block_of([[0, 2, 1]], rows=[2])
    rankers = [ModelRanker(bundle.model, new_item_bonus=bonus) for bonus in (0, 1.5)]
    before, after = (ranker.score(block) for ranker in rankers)
    np.testing.assert_allclose(after - before, [[0, 0, 0, 0, 0, 1.5]], atol=1e-6)


def test_later_items_keep_their_places_when_the_service_starts_again():
    bundle, store = mixture_bundle(), InProcessStore()
    first = Live(bundle, store)
    for item_id, title in [("n2", None), ("n1", "red tea"), ("n3", "oat wine")]:
        first.put_item({"item_id": item_id, "title": title})
    first.put_item({"item_id": "n2", "title": "black milk"})
    first.observe([event("n1", 10), event("n3", 20), event("a", 30)])
    second = Live(bundle, store)
    assert second._ranker.items.ids[6:] == ("n2", "n1", "n3")
    torch.testing.assert_close(second._ranker.table, first._ranker.table)
    told = [live.recommend("u", at=99).item_ids for live in (first, second)]
    assert told[0] == told[1]
    assert not {"n1", "n3", "a"} & set(told[0])


def test_an_item_that_is_put_again_is_read_again():
    with Live(mixture_bundle()) as live:
        live.put_item({"item_id": "n", "title": "green tea"})
        first = live._ranker.table[6].clone()
        live.put_item({"item_id": "n", "title": "red wine"})
        assert len(live._ranker.table) == 7
        assert not torch.allclose(live._ranker.table[6], first)


def test_a_place_without_a_vector_is_in_no_list_and_moves_nothing():
    ranker = Ranker(mixture_bundle())
    grown = ranker.with_items(["x", "y"], torch.ones(2, 8), torch.tensor([False, True]))
    assert [item.item_id for item in grown.similar("y", 20)].count("x") == 0
    state = grown.fold(grown.arrays([[]]))
    [listed] = grown.lists(state, [None], 20, [np.array([], int)])
    assert {item.item_id for item in listed} == {*IDS, "y"}
    assert ranker.num_items == 6, "a ranker never changes"


def test_a_recommender_takes_a_table_of_new_items_and_names_those_without_a_vector(tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("item_id,title,colour\nn1,white wine,y\nn2,,\na,another tea,x\n")
    rec = Recommender(mixture_bundle().config, mixture_bundle())
    assert rec.add_items(file) == ("n2",)
    listed = rec.recommend(histories=[["n1"]], k=20, exclude_seen=False)["item_id"].to_list()
    assert sorted(listed) == sorted([*IDS, "n1"])
    assert rec.similar("n1", 1)[0].item_id == "f"
    assert rec.add_items(pl.DataFrame({"item_id": ["a"], "title": ["tea"]})) == ()


def test_a_table_without_ids_is_refused():
    with pytest.raises(InputError, match="has no column item_id"):
        with_later_items(Ranker(mixture_bundle()), pl.DataFrame({"title": ["tea"]}))


def test_items_known_by_events_alone_cannot_be_read():
    bundle = mixture_bundle("identity")
    reader = ItemReader(bundle)
    assert not reader.can_read
    assert reader.read([{"title": "white wine"}])[1].tolist() == [False]


def test_another_language_model_under_the_same_name_is_refused():
    bundle = mixture_bundle()
    facts = {**bundle.facts, "text": {"model": "hashing", "fingerprint": "0123456789abcdef"}}
    with pytest.raises(EnvironmentFault) as caught:
        ItemReader(replace(bundle, facts=facts)).read([{"title": "tea"}])
    assert 'language model "hashing" with fingerprint 0123456789ab, but here' in str(caught.value)


def test_a_saved_bundle_reads_the_same_items(tmp_path):
    bundle = mixture_bundle("identity", "text", "features")
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.id == bundle.id
    given = [{"title": "white tea", "colour": "x"}, {"title": "red milk"}]
    torch.testing.assert_close(ItemReader(loaded).read(given), ItemReader(bundle).read(given))
    torch.testing.assert_close(loaded.model.table(), bundle.model.table())
