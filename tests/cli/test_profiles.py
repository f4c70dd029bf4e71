"""Attributes of users on the command line: prepared, trained on, and named for somebody new."""

import json

import pytest

from .conftest import NUM_USERS, done, invoke, settings


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiles")
    rows = [f"u{user},{20 + user},{'baker' if user % 3 else 'nurse'}" for user in range(NUM_USERS)]
    (folder / "users.csv").write_text("\n".join(["user_id,age,job", *rows]) + "\n")
    done(
        "prepare", made / "events.csv", "--users", folder / "users.csv", "--split",
        "leave-one-out", "--out", folder / "data",
    )  # fmt: skip
    done(
        "train", folder / "data", "--out", folder / "run", "--seed", 3,
        *settings("profile.kind=prefix"),
    )  # fmt: skip
    return folder / "run"


def scores(run, *arguments) -> list[float]:
    told = json.loads(done("recommend", run, *arguments, "-k", 17, "--json").stdout)
    return [item["score"] for item in told["items"]]


def test_somebody_new_gets_the_list_of_the_attributes_with_and_without_a_history(run):
    baker, nurse = (scores(run, "--profile", f"job={job}") for job in ("baker", "nurse"))
    assert len(baker) == 17
    assert baker != nurse
    more = scores(run, "--profile", "job=nurse", "--profile", "age=41")
    assert more not in (nurse, baker)
    history = ("--history", "i3", "--history", "i6")
    assert scores(run, *history, "--profile", "job=nurse") != scores(run, *history)


def test_users_of_the_data_are_read_with_their_attributes(run):
    read = scores(run, "--user", "u4")
    items = [f"i{(4 * 5 + place * 3) % 17}" for place in range(6 + 4 % 5)]
    times = [1_000 + 700 * place + 13 * 4 for place in range(len(items))]
    rows = [{"item_id": i, "timestamp": t} for i, t in zip(items, times, strict=True)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    told = ("--profile", "age=24", "--profile", "job=baker")
    arguments = ("recommend", run, "--history", "-", *told, "-k", 17, "--json")
    found = json.loads(done(*arguments, input=text).stdout)
    assert [item["score"] for item in found["items"]] == pytest.approx(read, abs=1e-5)


def test_description_names_what_is_read(run):
    found = json.loads(done("describe", run, "--json").stdout)
    assert found["user_attributes"] == ["age", "job"]
    assert found["config"]["profile"] == {"kind": "prefix", "drop_share": 0.1}
    assert "reads of a user before the first event: age, job" in done("describe", run).stdout


def test_evaluation_reads_the_attributes(run):
    found = json.loads(done("evaluate", run, "--on", "validation", "--json").stdout)
    assert 0 <= found["metrics"]["ndcg@10"]["value"] <= 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--profile", "jobb=baker"), 1, '"jobb" is not.\nDid you mean job?'),
        (("--profile", "age=old"), 1, "age must be a number but is 'old'"),
        (("--profile", "job"), 2, '--profile needs NAME=VALUE but got "job"'),
        (("--profile", "age=4", "--user", "u1"), 2, "--profile goes with --history"),
        ((), 2, "recommend needs one of --history, --user and --users, and got 0"),
    ],
)
def test_what_is_wrong_with_attributes_is_said(run, arguments, code, said):
    result = invoke("recommend", run, *arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_a_model_that_reads_no_attributes_says_how_to_train_one(made):
    result = invoke("recommend", made / "run", "--profile", "age=4")
    assert result.exit_code == 2
    assert 'profile.kind "none"' in result.stderr
    assert "--set profile.kind=prefix on data prepared with --users" in result.stderr
