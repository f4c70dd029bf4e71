import json
import math

import pytest

from penchant.evaluation import Estimate, Report, evaluate

from .small import Data, Fixed, log_of

RANKERS = {
    name: Fixed(scores)
    for name, scores in (
        ("model", [4, 3, 2, 1]),
        ("popular", [1, 2, 3, 4]),
        ("recent_popular", [1, 3, 2, 4]),
        ("markov", [9, 2, 3, 4]),
    )
}


@pytest.fixture
def report() -> Report:
    log = log_of([[0, 1, 2], [0, 2, 0], [2, -1, 3]], ["tss", "tts", "tss"])
    return evaluate(RANKERS, Data(log, 4), ks=(2, 10))


def test_the_dictionary_has_the_shape_that_people_script_against(report):
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["schema"] == 1
    assert set(found) >= {
        "protocol", "num_users", "num_targets", "metrics", "baselines", "slices",
        "differences", "per_user", "unfiltered", "variants", "baseline_settings",
    }  # fmt: skip
    assert set(found["metrics"]["ndcg@10"]) == {"value", "low", "high"}
    assert set(found["baselines"]) == {"popular", "recent_popular", "markov"}
    assert set(found["baselines"]["popular"]) == set(found["metrics"])
    assert set(found["metrics"]) == {
        f"{name}@{k}"
        for name in ("ndcg", "hit", "recall", "mrr", "map", "precision", "coverage", "novelty")
        for k in (2, 10)
    }
    assert set(found["slices"]) == {"warm_items", "cold_items"}


def test_coverage_has_a_value_and_no_interval(report):
    found = report.to_dict()["metrics"]["coverage@2"]
    assert found == {"value": pytest.approx(4 / 4), "low": None, "high": None}


def test_what_is_no_number_is_none():
    figures = {"ndcg@10": Estimate(math.nan, math.nan, math.nan)}
    report = Report({}, 0, 0, figures, {})
    assert report.to_dict()["metrics"] == {"ndcg@10": {"value": None, "low": None, "high": None}}


def test_a_saved_report_is_the_dictionary(report, tmp_path):
    report.save(tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == report.to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_write_that_fails_leaves_the_old_report(report, tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        report.save(path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.json"]


def test_the_table_shows_the_model_beside_its_baselines(report):
    text = report.render()
    lines = text.splitlines()
    assert lines[0] == "test part, split leave-one-out, seen items filtered, ties count against"
    assert lines[1] == "4 targets of 2 users, 4 items; 95 % intervals over users"
    assert lines[3].split() == ["model", "popular", "recent_popular"]
    row = next(line for line in lines if line.startswith("ndcg@10"))
    assert row.split()[1] == "0.6250"  # (1 + 1 + 0 + 1 / 2) / 4
    assert any(line.split() == ["markov"] for line in lines)
    assert "Targets left out because their user had seen them before: 1." in text
    assert "Targets that are not in the vocabulary, counted as misses: 1." in text
    assert "Without the filter, ndcg@10: model" in text
    assert max(map(len, lines[:-1])) <= 110


def test_columns_of_the_table_are_aligned(report):
    lines = report.render().splitlines()[3:]
    header = lines[0]
    row = next(line for line in lines if line.startswith("ndcg@10"))
    for name, start in ((n, header.index(f"  {n}") + 2) for n in ("model", "popular")):
        assert row[start - 1] == " ", name
        assert row[start].isdigit(), name


def test_differences_carry_their_sign(report):
    text = report.render()
    assert "− popular" in text
    block = text[text.index("− popular") :]
    assert "+0." in block


def test_a_report_without_baselines_or_filter_is_short():
    log = log_of([[0, 1]], ["ts"])
    text = evaluate({"model": RANKERS["model"]}, Data(log, 4), exclude_seen=False).render()
    assert "seen items included" in text
    assert "Without the filter" not in text
    assert "−" not in text
