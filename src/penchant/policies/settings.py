"""What may be set of the policies: types, ranges and defaults stand here once.

A document of policies is one `Policies`, from TOML or JSON. All is off by default but availability
and seen. Where documents are kept and who may change them is decided elsewhere.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from penchant.policies.filters import Filter, filter_to_dict, parse_filter
from penchant.policies.values import time_of

ORDER = (
    "availability",
    "seen",
    "lists",
    "filters",
    "impressions",
    "caps",
    "diversity",
    "exploration",
    "promotions",
)
"""The policies in the order in which they are applied."""


def _moment(given: Any) -> Any:
    """Return a TOML time as a text, and refuse a text that is no time."""
    text = given.isoformat() if isinstance(given, date) else given
    if isinstance(text, str) and math.isnan(time_of(text)):
        raise ValueError('a time such as "2026-05-01" or "2026-05-01T09:00:00Z"')
    return text


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
"""Texts: ids of items, types of events."""

Moment = Annotated[str | None, BeforeValidator(_moment)]
"""An ISO 8601 time, without offset UTC; or none."""

FilterSetting = Annotated[
    Filter | None,
    PlainValidator(lambda given: None if given is None else parse_filter(given)),
    PlainSerializer(lambda given: None if given is None else filter_to_dict(given)),
]


class Section(BaseModel):
    """A frozen part of the document, whose values have exactly the types that it declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AvailabilityPolicy(Section):
    """Items that are hidden, or whose attribute `available` is false, are in no list.

    Notes
    -----
    With `hide_unavailable` false only hidden items are left out.
    """

    hide_unavailable: bool = True


class RecentRule(Section):
    """Items with an event of one of these types in the last `days` are left out."""

    event_types: Annotated[Names, Field(min_length=1)]
    days: float = Field(gt=0)


class SeenPolicy(Section):
    """Seen items are left out, and those that had certain events of late.

    Notes
    -----
    `exclude` is what holds where a request does not say; the rules of `recent` hold at any rate.
    """

    exclude: bool = True
    recent: Annotated[tuple[RecentRule, ...], Field(strict=False)] = ()


class ListsPolicy(Section):
    """Items by id: none but those of `allow` where it names some, and never those of `deny`."""

    allow: Names = ()
    deny: Names = ()


class ImpressionsPolicy(Section):
    """Items that were shown so often since they were last clicked are left out; 0: never.

    Notes
    -----
    Impressions of the last `days` count. A click is an event of one of `click_types`, of any type
    where none is named.
    """

    max_without_click: int = Field(default=0, ge=0)
    days: float = Field(default=30.0, gt=0)
    click_types: Names = ()


class Cap(Section):
    """At most so many items with the same value of an attribute.

    Notes
    -----
    In the `first` places of a list, in the whole list where it is 0. An item with several values
    counts for each; one without is never stopped.
    """

    field: str = Field(min_length=1)
    most: int = Field(ge=1)
    first: int = Field(default=0, ge=0)


class DiversityPolicy(Section):
    """What counts beside the score: to be unlike the items before, and to keep to the history.

    Notes
    -----
    With weights a of `mmr_weight` and b of `calibration_weight`, each place takes the item with the
    greatest (1 − a − b) relevance − a likeness − b k KL. Both 0, the default, is the plain ranking.
    Calibration is by the values of `calibration_field`.
    """

    mmr_weight: float = Field(default=0.0, ge=0, le=1)
    calibration_weight: float = Field(default=0.0, ge=0, le=1)
    calibration_field: str = Field(default="category", min_length=1)

    @model_validator(mode="after")
    def _weights_leave_room(self) -> DiversityPolicy:
        if self.mmr_weight + self.calibration_weight > 1:
            raise ValueError(
                "such that mmr_weight and calibration_weight have a sum of at most 1, and it is "
                f"{self.mmr_weight + self.calibration_weight:g}"
            )
        return self


class ExplorationPolicy(Section):
    """Places of a list that are given to new items by chance.

    Notes
    -----
    `slots` are places by name; in a list of k at most `max_share` k of them are used, the first
    ones. `list_share` of the lists explore at all. An item is new for `max_age_days` after its
    `created_field`, and while fewer than `max_events` events are known of it; 0 passes over either.
    The newest `pool_size` new items are drawn from, `uniform` or by `softmax` of their scores over
    `temperature`. Draws depend on `seed` and the id of the request alone.
    """

    slots: dict[str, Annotated[int, Field(ge=1)]] = {}
    max_share: float = Field(default=0.2, ge=0, le=1)
    list_share: float = Field(default=1.0, gt=0, le=1)
    created_field: str = Field(default="created_at", min_length=1)
    max_age_days: float = Field(default=14.0, ge=0)
    max_events: int = Field(default=0, ge=0)
    pool_size: int = Field(default=200, ge=1, le=10_000)
    weighting: Literal["uniform", "softmax"] = "uniform"
    temperature: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _slots_lie_apart(self) -> ExplorationPolicy:
        if len(set(self.slots.values())) < len(self.slots):
            raise ValueError("such that slots have places of their own, and two share one")
        if self.slots and not (self.max_age_days or self.max_events):
            raise ValueError("such that max_age_days or max_events says what is new")
        return self


class Promotion(Section):
    """An item at a fixed place, from `starts` until before `ends` where these are given.

    Notes
    -----
    `even_if_seen` shows it also to users who have seen it, or were shown it without a click. Of
    several at one place the first that may be shown is taken.
    """

    name: str = Field(min_length=1)
    item_id: str = Field(min_length=1)
    position: int = Field(ge=1)
    starts: Moment = None
    ends: Moment = None
    even_if_seen: bool = False

    def runs_at(self, now_ms: int) -> bool:
        """Tell whether a moment lies within its time."""
        has_begun = self.starts is None or time_of(self.starts) <= now_ms
        return has_begun and (self.ends is None or now_ms < time_of(self.ends))


class Policies(Section):
    """All policies, in the order in which they are applied.

    Notes
    -----
    `candidates_per_place` items are fetched for each place of a list where caps or diversity need
    more than the best k.
    """

    availability: AvailabilityPolicy = Field(default_factory=AvailabilityPolicy)
    seen: SeenPolicy = Field(default_factory=SeenPolicy)
    lists: ListsPolicy = Field(default_factory=ListsPolicy)
    filter: FilterSetting = None
    impressions: ImpressionsPolicy = Field(default_factory=ImpressionsPolicy)
    caps: Annotated[tuple[Cap, ...], Field(strict=False)] = ()
    diversity: DiversityPolicy = Field(default_factory=DiversityPolicy)
    exploration: ExplorationPolicy = Field(default_factory=ExplorationPolicy)
    promotions: Annotated[tuple[Promotion, ...], Field(strict=False)] = ()
    candidates_per_place: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _promotions_have_names(self) -> Policies:
        names = [promotion.name for promotion in self.promotions]
        if len(set(names)) < len(names):
            raise ValueError("such that promotions have names of their own, and two share one")
        return self
