import json
import shutil

import pytest

from .conftest import NUM_USERS, done, invoke


def document(*arguments):
    return json.loads(done(*arguments, "--json").stdout)


def test_questions_are_listed_with_titles_and_who_knows_them(run):
    found = document("onboard", run, "-k", 3)
    assert len({item["item_id"] for item in found["items"]}) == 3
    assert [item["rank"] for item in found["items"]] == [1, 2, 3]
    for item in found["items"]:
        assert item["title"] == f"The Title of {item['item_id'][1:]}"
        assert item["share"] == pytest.approx(item["num_users"] / NUM_USERS)
    assert 0 < found["told_apart"] <= 1
    assert found["ndcg@100"]["after"] >= found["ndcg@100"]["before"]
    said = done("onboard", run, "-k", 3).stdout
    assert found["items"][0]["title"] in said
    assert "of the pairs of users apart" in said


def test_kept_questions_need_no_data(own_run, tmp_path):
    found = document("onboard", own_run, "-k", 3, "--keep")
    bundle = shutil.copytree(own_run / "bundle", tmp_path / "alone")
    assert document("onboard", bundle, "-k", 3) == found
    assert len(document("onboard", bundle, "-k", 2)["items"]) == 2
    result = invoke("onboard", bundle, "-k", 5)
    assert result.exit_code == 2
    assert "Prepared data is needed" in result.stderr


def test_a_bundle_alone_takes_data(run, data):
    asked = ("-k", 2, "--users", 12, "--seed", 4)
    found = document("onboard", run / "bundle", "--data", data, *asked)
    assert found["num_users"] == 12
    assert found == document("onboard", run, *asked)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-k", 0), "-k must be from 1 to 50 but is 0"),
        (("-k", 51), "-k must be from 1 to 50 but is 51"),
        (("--users", 1), "--users must be 2 or more but is 1"),
    ],
)
def test_numbers_out_of_range_are_usage(run, options, said):
    result = invoke("onboard", run, *options)
    assert result.exit_code == 2
    assert said in result.stderr
