"""Attributes of users from prepared data to the bundle and to lists."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import penchant
from penchant.bundle import Bundle
from penchant.config import Config, build_model
from penchant.errors import ConfigError, CorruptBundleError, InputError, UsageError
from penchant.events import FeatureEncoder, Part, PreparedData
from penchant.events.directories import checksums
from penchant.items import PrefixProfile, Profiles
from penchant.training import fresh_model

QUICK = {"num_epochs": 1, "tracker": "none", "num_threads": 1}
NUM_USERS, NUM_ITEMS = 23, 13


def make_log() -> penchant.EventLog:
    rows = [
        (f"u{user}", f"i{(user * 5 + place * 2) % NUM_ITEMS}", 1_000.0 + 90 * place + 7 * user)
        for user in range(NUM_USERS)
        for place in range(5 + user % 4)
    ]
    users = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in range(NUM_USERS)],
            "age": [20 + user * user % 31 for user in range(NUM_USERS)],
            "job": [["baker", None, "nurse"][user % 3] for user in range(NUM_USERS)],
            "name": [f"Somebody {user}" for user in range(NUM_USERS)],
        }
    )
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return penchant.EventLog.read(frame, users=users, time_unit="s")


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return make_log().prepare(split="leave-one-out")


@pytest.fixture(scope="module")
def rec(data) -> penchant.Recommender:
    made = penchant.Recommender.from_config(
        "default", width=8, training=QUICK, profile={"kind": "prefix"}
    )
    return made.fit(data, progress="none")


def test_prepared_data_reads_users_as_those_with_training_events_teach_it(data, tmp_path):
    assert [each.name for each in data.user_encoder.attributes] == ["age", "job"]
    assert data.user_encoder.left_out == {"name": "free text"}
    assert data.user_features.categorical[:3].tolist() == [[1], [0], [2]]
    data.save(tmp_path / "data")
    assert PreparedData.load(tmp_path / "data").user_encoder == data.user_encoder


def test_what_only_users_without_training_events_have_is_unknown(data):
    late = np.zeros(NUM_USERS, bool)
    late[[4, 7]] = True
    log = data.log.where(~late[data.log.user] | (data.log.part == Part.TEST))
    job = pl.when(pl.Series(late)).then(pl.lit("pilot")).otherwise(pl.col("job"))
    turned = replace(data, log=log, user_table=data.user_table.with_columns(job=job))
    assert (turned.log.train.lengths == 0).tolist() == late.tolist()
    assert set(turned.user_encoder.attributes[1].values) == {"baker", "nurse"}
    assert turned.user_features.categorical[late].tolist() == [[0], [0]]


def test_without_a_table_nothing_is_known_of_anybody(data):
    without = replace(data, user_table=None)
    assert without.user_features.is_known.tolist() == [False] * NUM_USERS
    assert without.user_features.names == ()


def test_scores_before_saving_are_those_after_loading(rec, tmp_path):
    asked = {
        "histories": [["i3"], [], []],
        "profiles": [{"age": 31, "job": "nurse"}, {"age": "27"}, {}],
    }
    before = rec.recommend(**asked, k=13)
    rec.save(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "user_features.json").is_file()
    loaded = penchant.Recommender.load(tmp_path / "bundle")
    assert loaded.bundle.id == rec.bundle.id
    assert loaded.recommend(**asked, k=13).equals(before)


def test_a_bundle_that_reads_no_attributes_has_no_file_of_them(data, tmp_path):
    config = Config.load("default", {"width": 8}, {})
    plain = Bundle.of(fresh_model(data, config), config, data)
    plain.save(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "user_features.json").exists()
    assert Bundle.load(tmp_path / "bundle").user_encoder == FeatureEncoder()


def test_a_bundle_from_before_there_were_profiles_loads_with_equal_scores(data, tmp_path):
    config = Config.load("default", {"width": 8}, {})
    plain = Bundle.of(fresh_model(data, config), config, data)
    place = tmp_path / "bundle"
    plain.save(place)
    text = (place / "config.toml").read_text()
    section = '\n[profile]\nkind = "none"\n'
    assert section in text
    (place / "config.toml").write_text(text.replace(section, ""))
    manifest = json.loads((place / "bundle.json").read_text())
    manifest["files"] = {k: v for k, v in checksums(place).items() if k != "bundle.json"}
    (place / "bundle.json").write_text(json.dumps(manifest))
    older = Bundle.load(place)
    lists = [
        penchant.Recommender(each.config, each).recommend(histories=[["i3"], []], k=13)
        for each in (plain, older)
    ]
    assert lists[0].equals(lists[1])


def test_a_bundle_that_lost_how_users_are_read_is_refused(rec, tmp_path):
    place = tmp_path / "bundle"
    rec.save(place)
    (place / "user_features.json").unlink()
    with pytest.raises(CorruptBundleError, match=r"user_features\.json is missing"):
        Bundle.load(place)


def test_a_list_by_attributes_alone_is_that_of_an_empty_history(rec):
    alone = rec.recommend(profiles=[{"job": "nurse"}, {"job": "baker"}], k=5)
    with_nothing = rec.recommend(
        histories=[[], []], profiles=[{"job": "nurse"}, {"job": "baker"}], k=5
    )
    assert alone.equals(with_nothing)
    by_user = alone.partition_by("user_id", include_key=False)
    assert not by_user[0].equals(by_user[1])


def test_a_user_equals_history_and_attributes_given_bare(rec, data):
    user = 7
    own = data.log
    rows = slice(own.offsets[user], own.offsets[user + 1])
    history = [
        (data.items.id(int(item)), time_ms / 1000)
        for item, time_ms in zip(own.item_index[rows], own.time_ms[rows], strict=True)
    ]
    told = data.user_table.row(user, named=True)
    told.pop("user_id")
    read = rec.recommend(users=[data.users.id(user)], data=data, k=13)
    bare = rec.recommend(histories=[history], profiles=[told], k=13)
    assert read["item_id"].to_list() == bare["item_id"].to_list()
    assert read["score"].to_list() == pytest.approx(bare["score"].to_list(), abs=1e-5)


def test_evaluation_reads_attributes_as_the_bundle_does(rec, data):
    found = rec.evaluate(data, on="validation", num_draws=0)
    hidden = rec.evaluate(data, on="validation", num_draws=0, profiles=None)
    assert found.per_user["model"] != hidden.per_user["model"]


def test_live_takes_a_recommender_that_reads_attributes(rec):
    with penchant.Live(rec, clock=lambda: 9_000.0) as live:
        live.put_user("u1", {"job": "nurse"})
        found = live.recommend("u1", k=5)
    bare = rec.recommend(profiles=[{"job": "nurse"}], k=5, at=9_000)
    assert found.item_ids == bare["item_id"].to_list()


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"profiles": [{"jbo": "nurse"}]}, InputError, '"jbo" is not'),
        ({"histories": [[]], "profiles": []}, InputError, r"histories \(1\) but are 0"),
        ({"users": ["u1"], "profiles": [{}]}, UsageError, "profiles go with histories"),
    ],
)
def test_what_is_wrong_with_profiles_is_said(rec, asked, error, said):
    with pytest.raises(error, match=said):
        rec.recommend(**asked)


def test_the_section_names_its_kinds_and_its_setting():
    config = Config.load("default", {"profile.kind": "prefix", "profile.drop_share": 0.3}, {})
    assert config.profile.to_dict() == {"kind": "prefix", "drop_share": 0.3}
    assert Config.load("default", {}, {}).profile.to_dict() == {"kind": "none"}
    with pytest.raises(ConfigError, match=r'profile.kind must be one of .* "prefixed"'):
        Config.load("default", {"profile.kind": "prefixed"}, {})


def test_a_model_is_built_with_the_part_or_says_what_it_needs(data):
    config = Config.load("default", {"width": 8, "profile.kind": "prefix"}, {})
    model = build_model(config, 3, 1, data.features, user_features=data.user_features)
    assert isinstance(model.profile, PrefixProfile)
    assert model.profile(NUM_USERS, Profiles.of(data.user_features)).shape == (NUM_USERS, 8)
    with pytest.raises(ConfigError, match="Prepare the data with --users"):
        build_model(config, 3, 1, data.features)
