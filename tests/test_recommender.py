import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import penchant
from penchant.errors import (
    CorruptBundleError,
    InputError,
    MissingFileError,
    OutputExistsError,
    UnknownItemError,
    UnknownUserError,
    UsageError,
)
from penchant.events import Part

QUICK = {"num_epochs": 2, "tracker": "none", "num_threads": 1}
ITEMS = 13


def make_log(num_users: int = 23) -> penchant.EventLog:
    rows = [
        (f"u{user}", f"i{(user * 5 + place * 2) % ITEMS}", 1_000.0 + 90 * place + 7 * user)
        for user in range(num_users)
        for place in range(5 + user % 4)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return penchant.EventLog.read(frame, time_unit="s")


@pytest.fixture(scope="module")
def data():
    return make_log().prepare(split="leave-one-out")


@pytest.fixture(scope="module")
def rec(data):
    made = penchant.Recommender.from_config("default", width=8, training=QUICK)
    return made.fit(data, progress="none")


def test_every_line_of_the_contract_runs(tmp_path, data):
    rec = penchant.Recommender.from_config(width=8, training=QUICK).fit(data, progress="none")
    report = rec.evaluate(data)
    assert 0 <= report.metrics["ndcg@10"].value <= 1
    table = rec.recommend(users=["u1", "u2"], data=data, k=10, exclude_seen=True)
    assert table.columns == ["user_id", "item_id", "score", "rank"]
    rec.save(tmp_path / "bundle")
    rec = penchant.Recommender.load(tmp_path / "bundle")
    with penchant.Live(rec, store="memory://") as live:
        live.observe(penchant.Event(user_id="u1", item_id="i5", timestamp=1_000_000))
        live.observe({"user_id": "u1", "item_id": "i7"})
        assert live.recommend("u1", k=10).num_events == 2
        live.put_item({"item_id": "i5", "title": "Five"})
        assert live.forget("u1").num_events == 2


def test_a_bare_list_of_items_is_a_user(rec):
    table = rec.recommend(histories=[["i3", "i5"], [], [("i9", 50), ("i2", 20)]], k=4)
    assert table["user_id"].to_list() == ["0"] * 4 + ["1"] * 4 + ["2"] * 4
    assert table["rank"].to_list() == [1, 2, 3, 4] * 3
    assert not {"i3", "i5"} & set(table.filter(user_id="0")["item_id"])
    turned = rec.recommend(histories=[[("i2", 20), ("i9", 50)]], k=4)
    assert turned["item_id"].to_list() == table.filter(user_id="2")["item_id"].to_list()


def test_seen_items_may_stay(rec):
    table = rec.recommend(histories=[["i3"]], k=ITEMS, exclude_seen=False)
    assert "i3" in table["item_id"].to_list()


def test_a_user_equals_their_history_given_bare(rec, data):
    log = data.log.users(np.array([4]))
    history = [
        (data.items.id(item), time_ms / 1000)
        for item, time_ms in zip(log.item_index, log.time_ms, strict=True)
    ]
    user = rec.recommend(users=[data.users.id(4)], k=6, at=9_000)
    bare = rec.recommend(histories=[history], k=6, at=9_000)
    assert user["item_id"].to_list() == bare["item_id"].to_list()
    assert user["score"].to_list() == pytest.approx(bare["score"].to_list(), abs=1e-6)


def test_lists_do_not_depend_on_the_company(rec, data, monkeypatch):
    everybody = rec.recommend(users="all", k=5)
    monkeypatch.setattr("penchant.serving.batches.BLOCK_EVENTS", 7)
    apart = rec.recommend(users="all", k=5)
    assert everybody.drop("score").equals(apart.drop("score"))
    assert everybody["user_id"].unique(maintain_order=True).to_list() == list(data.users.ids)


def test_pandas_is_given_when_asked_for(rec):
    table = rec.recommend(histories=[["i3"]], k=2, frame="pandas")
    assert list(table.columns) == ["user_id", "item_id", "score", "rank"]
    with pytest.raises(UsageError, match='frame must be polars or pandas but is "numpy"'):
        rec.recommend(histories=[["i3"]], frame="numpy")


def test_unknown_items_are_skipped_or_refused(rec):
    with_unknown = rec.recommend(histories=[["what", "i3"]], k=3)
    assert with_unknown.equals(rec.recommend(histories=[["i3"]], k=3))
    with pytest.raises(UnknownItemError, match='Item "what" must be one of the 13 items'):
        rec.recommend(histories=[["i3", "what"]], unknown="error")
    with pytest.raises(UsageError, match='must be skip or error but is "maybe"'):
        rec.recommend(histories=[["i3"]], unknown="maybe")


def test_unknown_users_are_refused(rec, data):
    with pytest.raises(UnknownUserError, match=r'User "u99" .* \(2 of 3 are missing\)'):
        rec.recommend(users=["u1", "u99", "u98"], data=data)
    with pytest.raises(UsageError, match='users must be a list of ids or "all" but is "u1"'):
        rec.recommend(users="u1", data=data)


@pytest.mark.parametrize("given", [{}, {"users": ["u1"], "histories": [["i1"]]}])
def test_either_users_or_histories_are_given(rec, given):
    with pytest.raises(UsageError, match="either users or histories, and exactly one"):
        rec.recommend(**given)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("i1", "A history must be a list of events but is str"),
        ([None], "must name an item but has item_id None"),
        ([1.5], "must name an item but has item_id 1.5"),
        ([{"timestamp": 3}], "must name an item but has item_id None"),
        ([("i1", "soon")], "timestamp must be epoch seconds or ISO 8601"),
    ],
)
def test_what_is_no_history_is_refused(rec, history, said):
    with pytest.raises(InputError, match=said):
        rec.recommend(histories=[history])


def test_a_recommender_that_was_not_fitted_says_so():
    made = penchant.Recommender.from_config("default")
    with pytest.raises(UsageError, match="must be fitted before it is used"):
        made.similar("i1")


def test_a_run_is_kept_loaded_and_gone_on_with(tmp_path, data):
    made = penchant.Recommender.from_config(width=8, training=QUICK)
    made.fit(data, tmp_path / "run", progress="none")
    loaded = penchant.Recommender.load(tmp_path / "run")
    assert loaded.run_dir == tmp_path / "run"
    assert loaded.bundle.id == made.bundle.id
    with pytest.raises(OutputExistsError):
        made.fit(data, tmp_path / "run", progress="none")
    longer = penchant.Recommender.from_config(width=8, training={**QUICK, "num_epochs": 3})
    longer.fit(data, tmp_path / "run", resume=True, progress="none")
    history = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2, 3]


def test_data_that_is_not_known_must_be_given(tmp_path, data, rec):
    rec.save(tmp_path / "bundle")
    loaded = penchant.Recommender.load(tmp_path / "bundle")
    with pytest.raises(UsageError, match="Prepared data is needed, and it is not known which"):
        loaded.recommend(users=["u1"])
    data.save(tmp_path / "data")
    found = loaded.recommend(users=["u1"], data=tmp_path / "data")
    assert found.equals(rec.recommend(users=["u1"], data=data))


def test_scores_before_saving_are_those_after_loading(tmp_path, rec):
    rec.save(tmp_path / "bundle")
    asked = {"histories": [["i1", "i2"]], "k": ITEMS}
    assert (
        penchant.Recommender.load(tmp_path / "bundle")
        .recommend(**asked)
        .equals(rec.recommend(**asked))
    )
    with pytest.raises(OutputExistsError):
        rec.save(tmp_path / "bundle")
    rec.save(tmp_path / "bundle", overwrite=True)
    (tmp_path / "bundle" / "items.parquet").write_bytes(b"cut")
    with pytest.raises(CorruptBundleError, match=r"items\.parquet"):
        penchant.Recommender.load(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle")
    with pytest.raises(MissingFileError):
        penchant.Recommender.load(tmp_path / "bundle")


def test_a_model_is_evaluated_on_its_own_vocabulary(rec, data):
    other = make_log(num_users=2).prepare(split="leave-one-out")
    with pytest.raises(InputError, match=rf"its own {ITEMS} items, but this data has"):
        rec.evaluate(other)
    report = rec.evaluate(on="validation", ks=[3], exclude_seen=False)
    assert report.protocol["part"] == "validation"
    assert "hit@3" in report.metrics


def test_importing_penchant_loads_nothing_heavy():
    code = (
        "import sys, penchant; assert not {'torch', 'polars'} & set(sys.modules);"
        "assert {'EventLog', 'Event', 'Live', 'Recommender'} <= set(dir(penchant));"
        "penchant.EventLog; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_penchant_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Recomender'"):
        penchant.Recomender  # noqa: B018


def test_looks_at_the_test_part_are_counted_in_the_run(tmp_path, data):
    made = penchant.Recommender.from_config(width=8, training=QUICK)
    made.fit(data, tmp_path / "run", progress="none")
    made.evaluate()
    made.evaluate(on="validation")
    made.evaluate(on=Part.VALIDATION)
    made.evaluate(on=Part.TEST)
    made.evaluate(data)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["test_looks"] == 3
