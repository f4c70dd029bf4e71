import numpy as np
import polars as pl
import pytest
import torch

from penchant.encoders import encoders
from penchant.evaluation import ModelRanker
from penchant.events import FeatureEncoder
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.heads import DotProductHead
from penchant.interest import Readout, attentions
from penchant.items import (
    BehaviourInput,
    IdentityItems,
    PrefixProfile,
    ProfileInput,
    Profiles,
)
from penchant.model import InterestModel, Query
from penchant.packed import PackedEvents
from penchant.sequences.ranking import cut_block, ranks
from penchant.sequences.targets import TargetBlock, target_blocks

from ..decoders import small_settings
from .small import log_of, random_log

WIDTH, NUM_ITEMS = 8, 17


def make_model(
    encoder: str = "gru", query_time: bool = True, profile: ProfileInput | None = None
) -> InterestModel:
    """Return a model in float64 in which nothing is zero and the time of asking matters."""
    model = InterestModel(
        IdentityItems(NUM_ITEMS, WIDTH),
        BehaviourInput(WIDTH, dropout_rate=0.5),
        encoders.build(encoder, {"num_layers": 2, **small_settings(encoder)}, width=WIDTH),
        attentions.build("additive", {"decay": "both"}, width=WIDTH),
        Readout(WIDTH, hidden_factor=1, query_time=query_time),
        DotProductHead(NUM_ITEMS),
        profile=profile,
    ).double()
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw, dtype=weight.dtype) * 0.4)
    return model


def packed(log: LogArrays, rows: list[int]) -> PackedEvents:
    items, times = log.item_index[rows].tolist(), log.time_ms[rows].tolist()
    return PackedEvents.from_lists([items], times_ms=[times])


def score_alone(
    model: InterestModel,
    block: TargetBlock,
    place: int,
    at_ms: int,
    profiles: Profiles | None = None,
) -> np.ndarray:
    """Fold the known items before one target, one event at a time, and read."""
    log, row = block.log, int(block.rows[place])
    history = [r for r in range(int(block.starts[place]), row) if log.item_index[r] >= 0]
    user = torch.tensor([block.users[block.owner[place]]])
    own = None if profiles is None else profiles.of_users(user)
    state = model.initial_state(1, own)
    for each in history:
        state = model.step(packed(log, [each]), state)
    interest = model.read(state, Query(torch.tensor([at_ms])))
    return model.scores(interest.vectors[:, 0]).numpy()[0]


@pytest.mark.parametrize("encoder", list(encoders))
@pytest.mark.parametrize("query_time", [True, False])
def test_whole_histories_give_the_scores_of_each_prefix_folded_alone(encoder, query_time):
    model = make_model(encoder).eval()
    ranker = ModelRanker(model, query_time=query_time)
    for block in target_blocks(random_log(8, num_users=9), Part.TEST, block_events=30):
        found = ranker.score(block)
        assert found.shape == (len(block.rows), NUM_ITEMS)
        with torch.inference_mode():
            for place, time in enumerate(block.times_ms):
                want = score_alone(model, block, place, int(time) if query_time else NO_TIME)
                assert found[place] == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("encoder", list(encoders))
def test_each_user_begins_with_their_own_attributes(encoder):
    jobs = pl.DataFrame({"job": ["baker", "nurse", None, "pilot", "nurse", None, *["baker"] * 3]})
    features = FeatureEncoder.fit(jobs).transform(jobs)
    profiles = Profiles.of(features)
    model = make_model(encoder, profile=PrefixProfile(WIDTH, features)).eval()
    ranker = ModelRanker(model, profiles=profiles)
    for whole in target_blocks(random_log(8, num_users=9), Part.TEST, block_events=30):
        for block in cut_block(whole, NUM_ITEMS, block_cells=5 * NUM_ITEMS):
            found = ranker.score(block)
            with torch.inference_mode():
                for place, time in enumerate(block.times_ms):
                    want = score_alone(model, block, place, int(time), profiles)
                    assert found[place] == pytest.approx(want, abs=1e-9)


def test_a_history_without_known_items_is_read_from_the_empty_memory():
    model = make_model().eval()
    log = log_of([[3], [-1, -1, 4], [5, 2]], ["s", "tts", "ts"])
    scores = ModelRanker(model).score(next(target_blocks(log, Part.TEST)))
    with torch.inference_mode():
        empty = model.read(model.initial_state(1), Query(torch.tensor([NO_TIME])))
        want = model.scores(empty.vectors[:, 0]).numpy()[0]
    assert scores[0] == pytest.approx(want)
    assert scores[1] == pytest.approx(want)
    assert np.abs(scores[2] - want).max() > 1e-3


def test_a_log_of_cold_items_only_can_be_scored():
    log = log_of([[-1], [-1, -1]], ["s", "ts"])
    assert ModelRanker(make_model()).score(next(target_blocks(log, Part.TEST))).shape == (
        2,
        NUM_ITEMS,
    )


def test_cutting_a_block_changes_no_score():
    ranker = ModelRanker(make_model())
    block = next(target_blocks(random_log(9), Part.TEST))
    pieces = [ranker.score(piece) for piece in cut_block(block, NUM_ITEMS, 5 * NUM_ITEMS)]
    assert np.concatenate(pieces) == pytest.approx(ranker.score(block), abs=1e-9)


def test_the_time_of_asking_changes_scores_only_where_it_is_given():
    log = log_of([[3, 4, 5]] * 2, ["tts"] * 2, times=[[0, 10, 20], [0, 10, 9_000_000_000]])
    block = next(target_blocks(log, Part.TEST))
    told = ModelRanker(make_model(), query_time=True).score(block)
    untold = ModelRanker(make_model(), query_time=False).score(block)
    assert np.abs(told[0] - told[1]).max() > 1e-6
    assert untold[0] == pytest.approx(untold[1], abs=1e-12)


def test_asked_before_the_last_event_no_time_has_passed():
    log = log_of([[3, 4, 5]] * 2, ["tts"] * 2, times=[[0, 10, 10], [0, 10, 4]])
    scores = ModelRanker(make_model()).score(next(target_blocks(log, Part.TEST)))
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)


def test_dropout_rests_while_scoring_and_the_model_is_left_as_it_was():
    model = make_model().train()
    block = next(target_blocks(random_log(10), Part.TEST))
    ranker = ModelRanker(model)
    assert ranker.score(block).tolist() == ranker.score(block).tolist()
    assert model.training
    model.eval()
    ranker.score(block)
    assert not model.training


def test_the_target_itself_is_not_seen_by_the_model():
    block = next(target_blocks(random_log(11), Part.TEST))
    last = block.rows[np.append(np.diff(block.owner) > 0, True)]
    is_last = np.isin(block.rows, last)
    before = ModelRanker(make_model()).score(block)[is_last]
    block.log.item_index[last] = (block.log.item_index[last] + 3) % NUM_ITEMS
    after = ModelRanker(make_model()).score(block)[is_last]
    assert before == pytest.approx(after, abs=1e-12)


def test_float32_scores_rank_as_float64_ones():
    block = next(target_blocks(random_log(13), Part.TEST))
    fine = ranks(ModelRanker(make_model()).score(block), block)
    coarse = ModelRanker(make_model().float()).score(block)
    assert coarse.dtype == np.float32
    assert ranks(coarse, block).rank.tolist() == fine.rank.tolist()
