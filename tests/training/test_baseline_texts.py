import numpy as np
import polars as pl
import pytest

from penchant.config import Config
from penchant.errors import ConfigError, EnvironmentFault
from penchant.events import EventLog
from penchant.training.baseline_texts import baseline_vectors

TITLES = ["green soap", "green soap, large", None]


def data_of(titles):
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": [*"cab"], "position": [1, 2, 3]})
    items = pl.DataFrame(
        {"item_id": [*"abc"], "title": titles}, schema_overrides={"title": pl.String}
    )
    return EventLog.read(events, items=items).prepare("leave-one-out")


def config_of(kind="identity", model="hashing"):
    return Config.load("default", {"items": {"kind": kind}, "text": {"model": model}})


def test_texts_are_read_where_a_baseline_asks_for_them():
    found = baseline_vectors(data_of(TITLES), config_of(), ["popular", "mean_text"])
    assert len(found) == 3
    c, a, b = found  # items stand in the order of the log
    assert not c.any()
    assert float(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) > 0.5


def test_without_being_asked_they_are_read_for_models_that_read_them_too():
    data = data_of(TITLES)
    assert baseline_vectors(data, config_of("mixture"), None).shape[0] == 3
    assert baseline_vectors(data, config_of("identity"), None) is None
    assert baseline_vectors(data, config_of("mixture"), ["popular"]) is None


def test_a_language_model_that_is_not_at_hand_is_missed_only_where_it_is_asked_for(monkeypatch):
    def gone(*_):
        raise EnvironmentFault("There is no model.", "Copy it here.")

    monkeypatch.setattr("penchant.training.baseline_texts.text_vectors", gone)
    data = data_of(TITLES)
    assert baseline_vectors(data, config_of("mixture"), None) is None
    with pytest.raises(EnvironmentFault, match="There is no model"):
        baseline_vectors(data, config_of("mixture"), ["mean_text"])


def test_items_without_any_text_are_refused():
    with pytest.raises(ConfigError, match="none of them has any"):
        baseline_vectors(data_of([None] * 3), config_of(), ["mean_text"])
