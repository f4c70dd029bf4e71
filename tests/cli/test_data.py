import json

import pytest

from penchant.events import PreparedData

from .conftest import NUM_ITEMS, NUM_USERS, done, invoke


def lines(path, *rows: str):
    path.write_text("\n".join(rows) + "\n")
    return path


def test_datasets_are_listed_with_licence_and_source():
    assert "ml-100k" in done("datasets").stdout
    found = json.loads(done("datasets", "--json").stdout)["datasets"]
    by_name = {entry["name"]: entry for entry in found}
    assert by_name["ml-100k"]["num_events"] == 100_000
    assert by_name["ml-1m"]["files"][0]["address"].startswith("https://")
    assert by_name["uci-online-retail"]["licence"] == "CC BY 4.0"


def test_an_unknown_data_set_is_named_with_the_nearest(tmp_path):
    result = invoke("fetch", "ml-100", "--out", tmp_path / "x")
    assert result.exit_code == 1
    assert "Did you mean ml-100k?" in result.stderr
    assert not (tmp_path / "x").exists()


def test_fetching_from_a_mirror_that_lacks_the_files_fails_at_once(tmp_path):
    result = invoke("fetch", "ml-1m", "--out", tmp_path / "x", "--mirror", tmp_path / "nothing")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) <= 3
    assert not (tmp_path / "x").exists()


def test_validate_reports_and_exits_with_zero(made):
    result = done("validate", made / "events.csv", "--items", made / "items.csv")
    assert f"{NUM_USERS} users" in result.stdout
    assert "prepare would accept it" in result.stdout


def test_validate_exits_with_one_where_prepare_would_refuse(tmp_path):
    log = lines(tmp_path / "e.csv", "user_id,item_id,timestamp", "1,2,3", "1,,4", "2,5,x")
    result = invoke("validate", log, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["schema"], document["refused"], document["num_bad_rows"]) == (1, True, 2)


def test_strict_validation_fails_on_any_fault(tmp_path):
    rows = ["1,2,1000", "1,2,1000", "2,3,2000", "2,4,3000"]
    log = lines(tmp_path / "e.csv", "user_id,item_id,timestamp", *rows)
    assert invoke("validate", log).exit_code == 0
    assert invoke("validate", log, "--strict").exit_code == 1


def test_prepare_takes_all_its_options(tmp_path):
    rows = [
        f"{user}|{kind}|{item}|{1_600_000_000 + 10 * item + user}|{item % 6}|{place}"
        for user in range(9)
        for place, (item, kind) in enumerate(
            [(user, "buy"), (user, "buy"), (user + 1, "view"), (3, "buy"), (4, "buy"), (5, "buy")]
        )
    ]
    log = lines(tmp_path / "e.txt", *rows)
    result = done(
        "prepare", log, "--out", tmp_path / "data", "--no-header", "--delimiter", "|",
        "--columns", "user_id=0,event_type=1,item_id=2,timestamp=3,value=4,position=5",
        "--time-unit", "s", "--order-by", "position", "--where", '"0" != 8',
        "--on-bad-rows", "drop", "--split", "leave-one-out", "--min-user-events", 2,
        "--min-item-events", 2, "--event-types", "buy", "--min-value", 0, "--max-user-events", 50,
        "--drop-consecutive-repeats", "--cold", "drop", "--json",
    )  # fmt: skip
    document = json.loads(result.stdout)
    data = PreparedData.load(tmp_path / "data")
    assert document["counts"]["events"] == data.log.num_events
    assert len(data.users) == 8
    assert data.event_types == ("buy",)
    dropped = {step["name"]: step["num_dropped"] for step in document["steps"]}
    assert dropped["event type buy"] == 8
    assert dropped["the same item several times in a row"] >= 8


def test_prepare_refuses_a_place_that_is_taken_before_it_reads(made, data):
    result = invoke("prepare", made / "gone.csv", "--out", data)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {data} exists already.")


def test_prepare_overwrites_its_own_kind_only(made, tmp_path):
    arguments = ("prepare", made / "events.csv", "--split", "leave-one-out", "--out")
    done(*arguments, tmp_path / "data")
    done(*arguments, tmp_path / "data", "--overwrite")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").touch()
    result = invoke(*arguments, tmp_path / "other", "--overwrite")
    assert result.exit_code == 1
    assert (tmp_path / "other" / "photo.jpg").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["user_id,item_id,timestamp", "1,2", "1,2,3,4"], "line"),
        (["user_id,timestamp", "1,3"], "item_id"),
        (["user_id,item_id,timestamp", "1,2,abc"], "line 2"),
        (["user_id,user_id,item_id,timestamp", "1,1,2,3"], "user_id"),
    ],
)
def test_a_broken_log_is_refused_in_three_lines_and_leaves_nothing(tmp_path, rows, said):
    log = lines(tmp_path / "broken.csv", *rows)
    result = invoke("prepare", log, "--out", tmp_path / "data")
    assert result.exit_code == 1
    assert "broken.csv" in result.stderr
    assert said in result.stderr
    assert len(result.stderr.splitlines()) <= 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.csv"]


def test_prepare_refuses_a_time_split_of_a_log_without_times(tmp_path):
    rows = [f"{u},{i},{i}" for u in range(3) for i in range(4)]
    log = lines(tmp_path / "e.csv", "user_id,item_id,position", *rows)
    result = invoke("prepare", log, "--split", "time:0.9", "--out", tmp_path / "data")
    assert result.exit_code in (1, 2)
    assert not (tmp_path / "data").exists()


def test_prepare_holds_items_out_of_training(made, tmp_path):
    result = done(
        "prepare", made / "events.csv", "--split", "leave-one-out", "--hold-out-items", 0.12,
        "--hold-out-seed", 3, "--out", tmp_path / "data", "--json",
    )  # fmt: skip
    told = json.loads(result.stdout)["split"]["held_out"]
    assert (told["share"], told["seed"], told["test"]["items"]) == (0.12, 3, 2)  # 17 · .12 = 2.04
    data = PreparedData.load(tmp_path / "data")
    assert len(data.items) == NUM_ITEMS
    assert len(set(data.log.train.item_index)) == NUM_ITEMS - 4
    refused = invoke(
        "prepare", made / "events.csv", "--hold-out-items", 0.1, "--out", tmp_path / "other"
    )
    assert refused.exit_code == 2
    assert "under the split leave-one-out alone" in refused.stderr


def test_a_graph_of_items_is_validated_and_prepared(made, tmp_path):
    graph = lines(tmp_path / "graph.tsv", "m3\tby\tann", "m3\tby\tann", "m5\tby\t")
    links = lines(tmp_path / "links.csv", "entity,film", "m3,i3", "m5,i5")
    asked = ("--graph", graph, "--graph-links", links)
    asked += ("--graph-columns", "head=0,relation=1,tail=2,entity_id=entity,item_id=film")
    result = invoke("validate", made / "events.csv", *asked)
    assert result.exit_code == 1
    assert "repeated_triple: 1 (33.3 %)" in result.stdout
    refused = invoke("prepare", made / "events.csv", *asked, "--out", tmp_path / "data")
    assert f"{graph}, line 3: tail is empty. 1 of 3 rows is bad." in refused.stderr
    result = done(
        "prepare", made / "events.csv", *asked, "--on-bad-rows", "drop", "--split",
        "leave-one-out", "--out", tmp_path / "data",
    )  # fmt: skip
    assert f"graph        1 triples of 1 relations on 1 of {NUM_ITEMS} items" in result.stdout
    assert PreparedData.load(tmp_path / "data").graph is not None
