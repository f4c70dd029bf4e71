import json

import polars as pl
import pytest

from .conftest import NUM_ITEMS, NUM_USERS, done, invoke


def document(*arguments, **more):
    return json.loads(done(*arguments, "--json", **more).stdout)


def ids(found) -> list[str]:
    return [item["item_id"] for item in found["items"]]


def test_a_history_gets_a_list_with_titles(run):
    found = document("recommend", run, "--history", "i3", "--history", "i6", "-k", 4)
    assert len(found["items"]) == 4
    assert not {"i3", "i6"} & set(ids(found))
    first = found["items"][0]
    assert first["title"] == f"The Title of {first['item_id'][1:]}"
    assert [item["rank"] for item in found["items"]] == [1, 2, 3, 4]
    said = done("recommend", run, "--history", "i3", "--history", "i6", "-k", 4).stdout
    assert first["title"] in said


def test_seen_items_stay_when_asked_for(run):
    found = document("recommend", run, "--history", "i3", "--include-seen", "-k", NUM_ITEMS)
    assert "i3" in ids(found)


def test_unknown_items_are_skipped_with_a_warning_or_refused(run):
    result = done("recommend", run, "--history", "i3", "--history", "what", "--json")
    assert json.loads(result.stdout)["skipped"] == ["what"]
    assert "warning: skipped 1 unknown items: what" in result.stderr
    result = invoke("recommend", run, "--history", "i33", "--unknown", "error")
    assert result.exit_code == 1
    assert 'Item "i33" must be one of the 17 items of the model' in result.stderr
    assert invoke("recommend", run, "--history", "i3", "--unknown", "x").exit_code == 2


def test_a_history_from_a_file_or_standard_input_is_ordered_by_time(run, tmp_path):
    rows = [{"item_id": "i6", "timestamp": 2000}, {"item_id": "i3", "timestamp": "1970-01-01"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "h.jsonl").write_text(text)
    asked = ("--at", 9000)
    from_file = document("recommend", run, "--history", f"@{tmp_path / 'h.jsonl'}", *asked)
    assert document("recommend", run, "--history", "-", *asked, input=text) == from_file
    turned = "".join(reversed(text.splitlines(keepends=True)))
    assert document("recommend", run, "--history", "-", *asked, input=turned) == from_file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"item_id": "i1"}\n{"item_id"', "line 2 is no JSON"),
        ('{"item": "i1"}\n', "line 1 must be an object with an item_id"),
        ('{"item_id": "i1", "timestamp": "soon"}\n', "timestamp must be epoch seconds or ISO 8601"),
    ],
)
def test_a_broken_history_names_the_line(run, text, said):
    result = invoke("recommend", run, "--history", "-", input=text)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_user_is_read_whole(run):
    found = document("recommend", run, "--user", "u4", "-k", NUM_ITEMS)
    seen = {f"i{(4 * 5 + place * 3) % NUM_ITEMS}" for place in range(6 + 4)}
    assert found["user_id"] == "u4"
    assert set(ids(found)) == {f"i{item}" for item in range(NUM_ITEMS)} - seen


def test_an_unknown_user_is_named_with_the_nearest(run):
    result = invoke("recommend", run, "--user", "u44")
    assert result.exit_code == 1
    assert f'User "u44" must be one of the {NUM_USERS} users' in result.stderr
    assert "Did you mean u4" in result.stderr


def test_many_users_go_to_a_file_of_each_kind(run, tmp_path):
    for kind in ("parquet", "csv", "jsonl"):
        out = tmp_path / f"recs.{kind}"
        found = document("recommend", run, "--users", "all", "-k", 3, "--out", out)
        assert found["num_users"] == NUM_USERS
    table = pl.read_parquet(tmp_path / "recs.parquet")
    assert table.columns == ["user_id", "item_id", "score", "rank"]
    assert table.height == 3 * NUM_USERS
    same = [pl.read_csv(tmp_path / "recs.csv"), pl.read_ndjson(tmp_path / "recs.jsonl")]
    for other in same:
        assert other["item_id"].to_list() == table["item_id"].to_list()
        assert other["rank"].to_list() == table["rank"].to_list()
    one = document("recommend", run, "--user", "u7", "-k", 3)
    assert table.filter(user_id="u7")["item_id"].to_list() == ids(one)


def test_users_are_named_in_a_file(run, tmp_path):
    (tmp_path / "who.txt").write_text("u9\n\n u2\n")
    found = document("recommend", run, "--users", tmp_path / "who.txt", "-k", 2)
    assert [entry["user_id"] for entry in found["users"]] == ["u9", "u2"]
    assert all(len(entry["items"]) == 2 for entry in found["users"])
    result = invoke("recommend", run, "--users", tmp_path / "gone.txt", "--json")
    assert result.exit_code == 1


def test_a_file_of_users_may_begin_with_a_byte_order_mark(run, tmp_path):
    (tmp_path / "users.txt").write_bytes(b"\xef\xbb\xbfu3\r\nu1\r\n")
    found = document("recommend", run, "--users", tmp_path / "users.txt")
    assert [user["user_id"] for user in found["users"]] == ["u3", "u1"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_that_names_no_user_is_refused(run, tmp_path, suffix):
    (tmp_path / "users.txt").write_text("\n \n")
    to = tmp_path / f"recs{suffix}"
    result = invoke("recommend", run, "--users", tmp_path / "users.txt", "--out", to)
    assert result.exit_code == 1
    assert "users.txt names no user" in result.stderr
    assert not to.exists()


def test_other_data_serves_users_by_its_own_vocabulary(run, made, tmp_path):
    rows = ["new,i9,10", "new,i2,20", "new,unheard,30", "new,i2,40", "new,i9,50"]
    (tmp_path / "e.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    done("prepare", tmp_path / "e.csv", "--split", "leave-one-out", "--out", tmp_path / "data")
    found = document(
        "recommend", run, "--user", "new", "--data", tmp_path / "data", "-k", 99, "--at", 60
    )
    text = "".join(
        json.dumps({"item_id": row.split(",")[1], "timestamp": int(row.split(",")[2])}) + "\n"
        for row in rows
    )
    bare = document("recommend", run, "--history", "-", "-k", 99, "--at", 60, input=text)
    assert ids(found) == ids(bare)
    assert bare["skipped"] == ["unheard"]
    scores = [item["score"] for item in found["items"]]
    assert scores == pytest.approx([item["score"] for item in bare["items"]], abs=1e-5)


def test_a_file_that_stands_is_refused_and_a_failure_leaves_nothing(run, tmp_path):
    out = tmp_path / "recs.csv"
    out.write_text("mine\n")
    refused = invoke("recommend", run, "--users", "all", "--out", out)
    assert (refused.exit_code, out.read_text()) == (1, "mine\n")
    done("recommend", run, "--users", "all", "--out", out, "--overwrite")
    (tmp_path / "who.txt").write_text("u1\nnobody\n")
    failed = invoke("recommend", run, "--users", tmp_path / "who.txt", "--out", tmp_path / "x.csv")
    assert failed.exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recs.csv", "who.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--history", "i1", "--user", "u1"],
        ["--users", "all"],
        ["--user", "u1", "--out", "x.csv"],
        ["--users", "all", "--out", "x.xlsx"],
        ["--history", "@a", "--history", "i1"],
        ["--history", "i1", "-k", "0"],
        ["--history", "i1", "-k", "1001"],
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(run, arguments):
    result = invoke("recommend", run, *arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) <= 3


def test_a_time_of_asking_that_is_none_is_refused(run):
    result = invoke("recommend", run, "--history", "i1", "--at", "teatime")
    assert result.exit_code == 1
    assert 'timestamp must be epoch seconds or ISO 8601 but is "teatime"' in result.stderr


def test_similar_items_leave_out_the_item(run):
    found = document("similar", run, "--item", "i5", "-k", 3)
    assert len(found["items"]) == 3
    assert "i5" not in ids(found)
    assert found["item_id"] == "i5"
    result = invoke("similar", run, "--item", "nope")
    assert result.exit_code == 1
    assert 'Item "nope" must be one of the 17 items' in result.stderr


def test_a_bundle_does_without_the_run_where_no_users_are_asked_for(run, tmp_path):
    of_run = document("recommend", run, "--history", "i3")
    assert document("recommend", run / "bundle", "--history", "i3") == of_run
    result = invoke("recommend", run / "bundle", "--user", "u1")
    assert result.exit_code == 2
    assert "--data DATA" in result.stderr


def test_a_missing_run_is_named(tmp_path):
    result = invoke("recommend", tmp_path / "gone", "--history", "i3")
    assert result.exit_code == 1
    assert str(tmp_path / "gone") in result.stderr


def test_somebody_new_gets_what_is_popular(run):
    found = document("recommend", run, "--first-list", "-k", 4)
    assert [item["rank"] for item in found["items"]] == [1, 2, 3, 4]
    assert found["counted"] == []
    assert 0 < sum(item["score"] for item in found["items"]) < 1


def test_first_lists_stand_alone_and_name_unknown_attributes(run):
    result = invoke("recommend", run, "--first-list", "--history", "i3")
    assert result.exit_code == 2
    assert "--first-list is for somebody of whom there is no event" in result.stderr
    result = invoke("recommend", run, "--first-list", "--profile", "age=25")
    assert result.exit_code == 1
    assert '"age" is not' in result.stderr


def test_a_bundle_of_an_older_version_gives_the_models_list(own_run):
    bundle = own_run / "bundle"
    manifest = json.loads((bundle / "bundle.json").read_text())
    for name in ("first_list.json", "first_list.safetensors"):
        (bundle / name).unlink()
        del manifest["files"][name]
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    result = done("recommend", own_run, "--first-list", "-k", 3, "--json")
    assert "the bundle keeps no popularity" in result.stderr
    assert len(json.loads(result.stdout)["items"]) == 3
