import pytest

from penchant.errors import InputError
from penchant.events.naming import guess_column, parse_columns, resolve


def test_mapping_is_read_from_text_and_from_a_dict() -> None:
    assert parse_columns("user_id=UID, timestamp=ts") == {"user_id": "UID", "timestamp": "ts"}
    assert parse_columns({"user_id": 0}) == {"user_id": "0"}
    assert parse_columns(None) == {}


@pytest.mark.parametrize(
    ("role", "names", "guess"),
    [
        ("user_id", ["id", "visitorid"], "visitorid"),
        ("item_id", ["StockCode", "Item"], "Item"),
        ("timestamp", ["InvoiceDate"], "InvoiceDate"),
        ("user_id", ["usr_id"], "usr_id"),
        ("item_id", ["price"], None),
    ],
)
def test_missing_column_is_guessed(role: str, names: list[str], guess: str | None) -> None:
    assert guess_column(role, names) == guess


def test_column_that_was_given_must_exist() -> None:
    with pytest.raises(
        InputError, match=r"log has no column UDI, which --columns gives for user_id"
    ):
        resolve(("UID", "item_id"), {"user_id": "UDI"}, {}, "timestamp", "log")
    with pytest.raises(InputError, match=r"Did you mean UID\?"):
        resolve(("UID", "item_id"), {"user_id": "UDI"}, {}, "timestamp", "log")
    with pytest.raises(InputError, match="Use one of the names found"):
        resolve(("UID", "item_id"), {"user_id": "zzz"}, {}, "timestamp", "log")


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("0", "1", "2"), "Say which column is which: --columns user_id=0,item_id=1,timestamp=2."),
        (("196", "242", "88125.5"), "If the first line is data, add --no-header --columns"),
        (("user_id", "price", "ts"), "Name it: --columns item_id=NAME,timestamp=ts."),
    ],
)
def test_hint_fits_what_is_missing(names: tuple[str, ...], hint: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(names, {}, {}, "timestamp", "log")
    assert caught.value.hint.startswith(hint)


def test_long_listings_are_cut() -> None:
    with pytest.raises(InputError, match=r"found: c0, .*, c11, …"):
        resolve(tuple(f"c{index}" for index in range(20)), {}, {}, "timestamp", "log")


def test_alias_of_the_source_gives_way_to_the_real_name() -> None:
    names = ("user_id", "item_id", "timestamp", "rating", "value")
    assert resolve(names, {}, {"value": "rating"}, "timestamp", "log").roles["value"] == "value"
    found = resolve(names[:4], {}, {"value": "rating"}, "timestamp", "log")
    assert found.roles["value"] == "rating"
    assert found.context == {}
