"""Only targets are ranked, only what counts is seen, and baselines count what they should."""

import numpy as np
import pytest

from penchant.baselines import base, fit_baselines
from penchant.errors import InputError, UsageError
from penchant.evaluation import evaluate_model
from penchant.events.arrays import NO_PART
from penchant.sequences.roles import EventRoles

from .small import Data, log_of
from .test_model_ranker import make_model

VIEW, BUY = 0, 1
BUYS = EventRoles(history_types=(VIEW,), seen_types=(BUY,), target_weights=((0.0, 1.0),))
# Of each user the last three events are tested; parts and types stand below the items.
LOG = log_of(
    [[0, 1, 2, 1, 3], [2, 2, 0, 0, 2], [1, 3, 1, 2, 2]],
    ["ttsss", "tvsss", "ttsss"],
    types=[[0, 1, 0, 1, 1], [0, 1, 1, 0, 1], [1, 0, 0, 0, 1]],
)


def test_targets_of_a_report_are_those_of_the_types_and_what_is_seen_too():
    report = evaluate_model(make_model(), Data(LOG, 17), roles=BUYS, num_draws=0)
    # buys of the test part: 1 and 3 of the first user, 0 and 2 of the second, 2 of the third
    # bought before: 1 by the first, 2 by the second
    assert (report.num_targets, report.protocol["left_out_seen_targets"]) == (3, 2)
    every = evaluate_model(make_model(), Data(LOG, 17), num_draws=0)
    assert every.num_targets + every.protocol["left_out_seen_targets"] == 9


def test_a_part_without_a_target_is_refused_and_an_objective_that_is_not_there():
    with pytest.raises(InputError, match="none of the 1 events of the validation part has a type"):
        evaluate_model(
            make_model(),
            Data(LOG, 17),
            "validation",
            roles=EventRoles(target_weights=((1.0, 0.0),)),
        )
    with pytest.raises(UsageError, match='has no "buy"'):
        evaluate_model(make_model(), Data(LOG, 17), objective="buy")


def test_popularity_counts_targets_and_transitions_read_all_history():
    fitted = fit_baselines(LOG, 4, ("popular", "markov"), roles=BUYS)
    assert fitted["popular"].counts.tolist() == [0, 2, 0, 0]  # bought: 1 by the first and the third
    # in training 0 was followed by 1 and 1 by 3; of the second user one event is in training
    assert fitted["markov"]._transitions.total.tolist() == [1, 1, 0, 0]


def test_baselines_choose_on_targets_and_by_what_counts_as_seen(monkeypatch):
    seen, asked = [], []
    seen_items = base.seen_items

    def recorded(block, types):
        seen.append(types)
        asked.extend(block.log.event_type[block.rows].tolist())
        return seen_items(block, types)

    monkeypatch.setattr(base, "seen_items", recorded)
    fit_baselines(LOG, 4, ("recent_popular", "markov", "lagged_markov"), roles=BUYS)
    assert (seen, asked) == ([(BUY,)] * 3, [BUY] * 3)


def test_the_log_itself_is_left_as_it_was():
    before = LOG.part.copy()
    evaluate_model(make_model(), Data(LOG, 17), roles=BUYS, num_draws=0)
    assert np.array_equal(LOG.part, before)
    assert NO_PART not in LOG.part
