"""Gaps fall into buckets that training has seen; the calendar is that of UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import torch

from penchant.clock import Calendar, ElapsedTime, elapsed_bucket, hour_and_weekday
from penchant.packed import NO_TIME


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_gaps_beyond_the_trained_range_are_read_as_the_longest_trained() -> None:
    elapsed = ElapsedTime(2)
    torch.nn.init.normal_(elapsed.vectors.weight)
    elapsed.fit_range(torch.tensor([-1, 5_000, 60_000]))
    found = elapsed(torch.tensor([60_000, 10**12, 0, 5_000, -1]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[2], found[3])
    assert not torch.equal(found[4], found[3])  # unknown is a bucket of its own


def test_buckets_rise_with_the_gap() -> None:
    gaps = torch.logspace(0, 12, 60, dtype=torch.float64).long()
    assert (elapsed_bucket(gaps).diff() >= 0).all()


def test_hours_and_weekdays_are_those_of_utc_before_and_after_1970() -> None:
    moments = ["2024-02-29T23:59:59.999", "2024-03-01T00:00:00", "1969-12-28T04:30:00"]
    hour, weekday = hour_and_weekday(torch.tensor([*map(moment, moments), NO_TIME]))
    assert hour.tolist() == [1 + 23, 1 + 0, 1 + 4, 0]
    assert weekday.tolist() == [1 + 3, 1 + 4, 1 + 6, 0]  # Thursday, Friday, Sunday


def test_an_unknown_time_has_a_vector_of_its_own_and_all_start_at_zero() -> None:
    calendar = Calendar(2)
    times = torch.tensor([NO_TIME, moment("2024-03-01T07:00:00")])
    assert calendar(times).tolist() == [[0, 0], [0, 0]]
    with torch.no_grad():
        calendar.hours.weight[[0, 8]] = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
        calendar.weekdays.weight[[0, 5]] = torch.tensor([[10.0, 20.0], [40.0, 80.0]])
    assert calendar(times).tolist() == [[1 + 10, 2 + 20], [3 + 40, 5 + 80]]
