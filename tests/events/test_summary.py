import polars as pl

from penchant.events.columns import event_frame
from penchant.events.preparing import prepare

EVENTS = pl.DataFrame(
    {
        "user_id": [*"uuuu", *"vv", *"www", "x"],
        "item_id": [*"abac", *"ab", *"cad", "d"],
        "time_ms": [1000, 2000, 2000, 9000, 3000, 4000, 5000, 8000, 9000, 9000],
    }
)
ITEMS = pl.DataFrame({"item_id": ["a", "z"], "title": ["A", "Z"]})


def test_a_summary_tells_the_split_and_what_it_leaks():
    data = prepare(event_frame(EVENTS, ITEMS), "leave-one-out")
    assert data.summary_text().splitlines() == [
        "events       10: 6 to train on, 2 to validate on, 2 to test on",
        "users        4, 4 of them with training events",
        "items        4, 4 of them with training events; 1 more in the table of items",
        "split        leave-one-out; 2 users have too few events to be tested on",
        "validation   2 targets",
        "  50.0% on an item that the user has had before",
        "  50.0% at the very time of an earlier event of the user",
        "  100.0% before the last training event of other users",
        "test         2 targets",
        "attributes   without: title (free text)",
    ]


def test_a_summary_tells_the_cut_and_who_is_cold():
    data = prepare(event_frame(EVENTS), "time:0.7", cold="drop")
    # sorted 1 2 2 3 4 5 8 9 9 9: behind 7 lies 9; of the 7 before, 7 * 9/10 = 6.3 begins at 8
    assert data.summary_text().splitlines() == [
        "events       8: 6 to train on, 1 to validate on, 1 to test on",
        "users        3, 3 of them with training events",
        "items        3, 3 of them with training events; 0 more in the table of items",
        "split        time:0.7 (validation from 1970-01-01T00:00:08+00:00, "
        "test from 1970-01-01T00:00:09+00:00)",
        "dropped      2 events: validation and test events of cold items",
        "validation   1 targets",
        "test         1 targets",
    ]


def test_a_summary_tells_how_many_are_cold_where_they_are_kept():
    data = prepare(event_frame(EVENTS), "time:0.7")
    assert "  without training events: 1 of 1 users and 2 of 1 items" in data.summary_text()
    assert data.summary()["counts"]["events_of_unknown_items"] == 2
