"""Any string becomes one that a tokenizer can read, at the cost of what is kept of it."""

import time

import pytest

from penchant.texts.cleaning import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\r\n\u3000\xa0 ", ""),
        ("\x00\x07\x9f\ufeff\uffff", ""),
        ("so\x00ap\r\nbar", "so ap bar"),
        ("half \ud83e of a pair", "half ? of a pair"),
        ("香皂\u3000500 毫升", "香皂 500 毫升"),
        ("soap 🧼 мыло", "soap 🧼 мыло"),
    ],
)
def test_a_text_is_one_line_of_characters(text, expected):
    assert clean(text, 128) == expected
    assert clean(clean(text, 128), 128) == expected


def test_a_long_text_costs_no_more_than_what_is_kept():
    text = "a b " * 25_000_000
    started = time.process_time()
    found = clean(text, max_tokens=10)
    assert time.process_time() - started < 0.05
    assert found == ("a b " * 80).rstrip()
