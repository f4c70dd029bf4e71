"""How much texts that are alike count, chosen on validation once the training is over.

Nothing is trained: a few settings are tried on the finished model, and the best one is kept in its
bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from penchant.config import Config, build_roles
from penchant.evaluation.model_ranker import ModelRanker
from penchant.events import Part, PreparedData
from penchant.interest import TextLikeness
from penchant.items import Profiles
from penchant.model import InterestModel
from penchant.sequences.candidates import among_candidates
from penchant.training.validation import mean_metrics, validation_ranks

DECAYS: Final = (0.0, 0.3, 0.5, 0.7, 0.85, 0.92)
WEIGHTS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
NEW_ITEM_WEIGHTS: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
NEW_ITEM_OFFSETS: Final = (0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0, -8.0)
USUAL: Final = (0.7, 1.0)
"""Decay and weight where validation says nothing."""

TIMES: Final = 4.0
"""Weight of new items as a multiple of the others', or of a half where that is less.

Taken where the data holds no items out of training; where it does, it is chosen (decision 24).
"""

METRIC: Final = "ndcg@10"
MOST_LOST: Final = 0.1
"""Share of the figure that targets on trained items may lose to new items in their lists.

Where fewer items than that are new, only their share.
"""

NEAR: Final = 0.97
"""Of the weights of new items the least is taken that reaches this share of the best figure.

Greater ones let new items into everybody's lists or, with an offset, into nobody's.
"""

FEWEST_TARGETS: Final = 100
"""With fewer targets nothing is chosen."""

MOST_USERS: Final = 4_000
"""Users of the validation part that are looked at, drawn by chance."""

Told = Callable[[str], None]


def choose_likeness(
    model: InterestModel, data: PreparedData, config: Config, told: Told | None = None
) -> None:
    """Choose what the settings leave out, in place.

    Parameters
    ----------
    model
        Trained.
    data, config
        What it was trained on, and how.
    told
        Hears what was chosen.

    Notes
    -----
    The decay first, then the weight of items that were trained on, both by NDCG@10 over targets
    among these (where no item was, the decay among all); then the weight of new items, among those
    that were held out of training; then the greatest offset of new items under which trained ones,
    among all, lose no more than `MOST_LOST`.
    """
    likeness = model.likeness
    if not isinstance(likeness, TextLikeness) or likeness.is_chosen:
        return
    figures = _Figures(model, likeness, data, config)
    decay, weight = USUAL
    before = after = offset = 0.0
    if figures.num_targets("warm") >= FEWEST_TARGETS:
        decay, _ = _best(DECAYS, lambda tried: figures("warm", "warm", (tried, weight, 0, 0)))
        before = figures("warm", "warm", (decay, 0, 0, 0))
        weight, after = _best(WEIGHTS, lambda tried: figures("warm", "warm", (decay, tried, 0, 0)))
    new_weight = TIMES * max(weight, 0.5)
    if figures.num_targets("cold") >= FEWEST_TARGETS:
        if not after:  # no item was trained on
            decay, _ = _best(DECAYS, lambda tried: figures("cold", "cold", (tried, 0, 8, 0)))
            before = figures("cold", "cold", (0, 0, 0, 0))
        found = [figures("cold", "cold", (decay, weight, tried, 0)) for tried in NEW_ITEM_WEIGHTS]
        is_near = [figure >= NEAR * max(found) for figure in found]
        new_weight = NEW_ITEM_WEIGHTS[is_near.index(True)]
        after = after or found[is_near.index(True)]
    if figures.num_targets("warm") and figures.share_new:
        least = (1 - min(MOST_LOST, figures.share_new)) * after
        for offset in NEW_ITEM_OFFSETS:
            left = figures("warm", "all", (decay, weight, new_weight, offset))
            if left >= least:
                break
    likeness.choose(decay, weight, new_weight, offset)
    if told is not None:
        decay, weight, new_weight, offset = likeness.numbers.tolist()
        told(
            f"texts that are alike: decay {decay:g}, weight {weight:g}, of new items "
            f"{new_weight:g} and offset {offset:g}; validation {METRIC} {before:.4f} without, "
            f"{after:.4f} with"
        )


def _best(tried: Iterable[float], figure: Callable[[float], float]) -> tuple[float, float]:
    """Return the setting with the greatest figure, the first of equals, and the figure."""
    found = [(figure(one), one) for one in tried]
    value, chosen = max(found, key=lambda pair: pair[0])
    return chosen, value


class _Figures:
    """The metric on validation under given numbers, of and among trained or new items."""

    def __init__(
        self, model: InterestModel, likeness: TextLikeness, data: PreparedData, config: Config
    ) -> None:
        roles = build_roles(config, data.event_types)
        profiles = Profiles.of(data.user_features) if model.profile.is_read else None
        self.ranker = ModelRanker(model, roles=roles, profiles=profiles)
        self.likeness = likeness
        self._found: dict[tuple[str, str, tuple[float, ...]], float] = {}
        log = roles.with_targets(data.log)
        is_trained = model.items.is_trained(None).cpu().numpy()
        self.candidates = {"warm": is_trained, "cold": ~is_trained, "all": None}
        self.logs = {name: among_candidates(log, each) for name, each in self.candidates.items()}
        training = config.training.model_copy(update={"validation_users": MOST_USERS})
        self.config = replace(config, training=training)

    @property
    def share_new(self) -> float:
        """Share of the items without training events."""
        return float((~self.ranker.model.items.is_trained(None)).double().mean())

    def num_targets(self, which: str) -> int:
        """Return how many targets there are."""
        return int((self.logs[which].part == Part.VALIDATION).sum())

    def __call__(self, of: str, among: str, numbers: tuple[float, float, float, float]) -> float:
        """Return the metric of targets among items with these numbers, but for those given.

        What was looked at once is not ranked again.
        """
        asked = of, among, numbers
        if asked not in self._found:
            self.likeness.choose(*numbers)
            log, candidates = self.logs[of], self.candidates[among]
            rank = validation_ranks(self.ranker, log, self.config, candidates)
            self._found[asked] = mean_metrics(rank, (METRIC,))[METRIC]
        return self._found[asked]
