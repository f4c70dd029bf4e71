"""Training with attributes of users: windows begin with them, and cold users get what they want."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from penchant import Recommender
from penchant.config import Config
from penchant.encoders import encoders
from penchant.errors import ConfigError
from penchant.evaluation import ModelRanker
from penchant.events import FeatureEncoder, LogArrays, Part, PreparedData, Vocabulary
from penchant.items import Profiles
from penchant.model import InterestModel
from penchant.sequences import TrainingBatch, TrainingLoader
from penchant.sequences.ranking import gain, ranks
from penchant.sequences.targets import target_blocks
from penchant.training import fresh_model, train
from penchant.training.setup import build_objective, check_parts
from penchant.training.validation import validate

from ..decoders import small_settings
from .small import QUICK, check_fused_equals_plain

JOBS = ("baker", "nurse", "pilot")
NUM_ITEMS, NUM_OLD, NUM_COLD = 30, 70, 30
READING = {"profile.kind": "prefix", "profile.drop_share": 0.2}


def wanting_data() -> PreparedData:
    """Return a log in which users of job j want items that are j modulo 3, but for strays.

    Users 70 to 99 have no event in the training part, and of two users nothing is known.
    """
    rng = np.random.default_rng(4)
    num_users = NUM_OLD + NUM_COLD
    job = rng.integers(3, size=num_users)
    lengths = 3 + np.arange(num_users) * 7 % 8
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    owner = np.repeat(np.arange(num_users), lengths)
    item = rng.integers(NUM_ITEMS // 3, size=offsets[-1]) * 3 + job[owner]
    strays = rng.random(offsets[-1]) < 0.1
    item[strays] = rng.integers(NUM_ITEMS, size=int(strays.sum()))
    part = np.where(owner < NUM_OLD, Part.TRAIN, Part.VALIDATION).astype(np.int8)
    zeros = np.zeros(len(item), dtype=np.int64)
    log = LogArrays(item, zeros, zeros + np.nan, zeros + 10**12, part, offsets)
    names = [None if user in (3, 80) else JOBS[job[user]] for user in range(num_users)]
    items = pl.DataFrame({"item_id": [f"item {index}" for index in range(NUM_ITEMS)]})
    users = pl.DataFrame({"user_id": [f"user {n}" for n in range(num_users)], "job": names})
    return PreparedData(
        log=log,
        users=Vocabulary(users["user_id"]),
        items=Vocabulary(items["item_id"]),
        item_table=items,
        user_table=users,
        event_types=("event",),
        encoder=FeatureEncoder.fit(items),
        manifest={"fingerprint": "wanting", "split": "time"},
    )


def config_of(**more) -> Config:
    return Config.load("default", QUICK, {}).override({"items.kind": "identity", **more})


def first_gains(model: InterestModel, data: PreparedData, profiles: Profiles | None) -> float:
    """Return the mean NDCG@10 of the first events of the cold users."""
    ranker = ModelRanker(model, profiles=profiles)
    found = []
    for block in target_blocks(data.log, Part.VALIDATION):
        ranked = ranks(ranker.score(block), block)
        found += gain(ranked.rank, 10)[block.rows == block.starts].tolist()
    assert len(found) == NUM_COLD
    return float(np.mean(found))


@pytest.mark.parametrize("encoder", ["gru", "transformer"])
def test_who_has_no_events_gets_what_the_attributes_say(encoder, tmp_path):
    data = wanting_data()
    shown = Profiles.of(data.user_features)
    settings = {"training.num_epochs": 8, "training.patience": 8, "encoder.kind": encoder}
    settings |= {"encoder.num_layers": 1, "training.learning_rate": 0.03}
    gains = {}
    for kind, more in {"none": {}, "prefix": READING}.items():
        config = config_of(**settings, **more)
        bundle = train(data, config, tmp_path / kind, reporter="none").bundle
        gains[kind] = first_gains(bundle.model, data, shown)
    hidden = first_gains(bundle.model, data, None)
    # One of the 10 of 30 items that are wanted: at most about .45, by chance a third of that.
    assert gains["prefix"] > 0.35
    assert max(gains["none"], hidden) < 0.25
    rec = Recommender.load(tmp_path / "prefix")
    lists = rec.recommend(profiles=[{"job": job} for job in JOBS], k=8)
    wanted = lists["item_id"].str.strip_prefix("item ").cast(pl.Int64) % 3
    assert (wanted == lists["user_id"].cast(pl.Int64)).mean() > 0.9


def objective_and_model(encoder: str, **more):
    small = {f"encoder.{name}": value for name, value in small_settings(encoder).items()}
    settings = {"encoder.kind": encoder, **small, "loss.interest_share": 1.0, **READING, **more}
    data = wanting_data()
    rates = {f"{part}.dropout_rate": 0.0 for part in ("encoder", "readout", "behaviour")}
    config = config_of(**settings, **rates)
    torch.manual_seed(4)
    model, objective = fresh_model(data, config).double(), build_objective(data, config).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    objective.nominal_targets = 0
    return data, objective, model


def batch_of(data: PreparedData, user: int, window: int = 99, **more) -> list[TrainingBatch]:
    """Return the batches of one user, under the user's place in the data."""
    log = data.log.train
    alone = log.where(log.user == user)
    return list(TrainingLoader(alone, window, 999, seed=0, **more).epoch(0))


@pytest.mark.parametrize("encoder", list(encoders))
@pytest.mark.parametrize("user", [3, 6])  # of the first nothing is known
def test_the_fused_objective_equals_the_plain_loss_of_one_user(encoder, user):
    data, objective, model = objective_and_model(encoder)
    [batch] = batch_of(data, user)
    assert batch.users.tolist() == [user]
    check_fused_equals_plain(objective, model, batch)


@pytest.mark.parametrize("encoder", ["gru", "bert"])
def test_attributes_hidden_by_chance_are_hidden_alike_in_both(encoder):
    data, objective, model = objective_and_model(encoder, **{"profile.drop_share": 0.5})
    [batch] = batch_of(data, 6)
    check_fused_equals_plain(objective.train(), model.train(), batch)


def test_targets_from_nothing_are_predicted_from_the_attributes_of_their_own_user():
    data, objective, model = objective_and_model("gru", **{"loss.interest_weight": 0.0})
    model.eval()
    [batch] = TrainingLoader(data.log.train, 99, 9_999, seed=0).epoch(0)
    cold = (batch.target_row < 0).nonzero().squeeze(1)
    assert sorted(batch.users[batch.target_user[cold]].tolist()) == list(range(NUM_OLD))
    only = replace(batch, target_weight=batch.target_weight * (batch.target_row < 0).unsqueeze(1))
    found = float(objective(model, only)[0].sequence.detach())
    total = 0.0
    for user in range(NUM_OLD):
        own = Profiles.of(data.user_features).of_users(torch.tensor([user]))
        start = model.trace_of(model.initial_state(1, own))
        nobody = torch.tensor([-1])
        scores = model.scores(model.readout(start, nobody)).log_softmax(1)[0]
        total -= float(
            scores.detach()[int(data.log.train.item_index[data.log.train.offsets[user]])]
        )
    assert found == pytest.approx(total / batch.num_targets, rel=1e-9)


def test_a_window_that_begins_within_a_history_begins_with_the_attributes_too():
    data, objective, model = objective_and_model("gru", **{"loss.interest_weight": 0.0})
    user = int(np.argmax(data.log.train.lengths))
    own = Profiles.of(data.user_features).of_users(torch.tensor([user]))
    for batch in batch_of(data, user, window=4, max_windows=1):
        trace, _ = model.eval()(batch.events, model.initial_state(1, own))
        after = objective(model, batch)[1]
        assert batch.events.num_events < data.log.train.lengths[user] - 1
        torch.testing.assert_close(after.hidden[0], trace.hidden[-1], rtol=1e-12, atol=1e-12)


def test_a_window_that_goes_on_is_not_begun_again():
    data, objective, model = objective_and_model("gru", **{"loss.interest_weight": 0.0})
    user = int(np.argmax(data.log.train.lengths))
    first, second = batch_of(data, user, window=5)[:2]
    model.eval()
    middle = objective(model, first)[1]
    found = objective(model, second, middle)[1]
    own = Profiles.of(data.user_features).of_users(torch.tensor([user]))
    _, wanted = model(first.events, model.initial_state(1, own))
    _, wanted = model(second.events, wanted)
    torch.testing.assert_close(found.hidden, wanted.hidden, rtol=1e-12, atol=1e-12)


def test_validation_reads_the_attributes_of_the_users():
    data = wanting_data()
    config = config_of(**READING)
    model = fresh_model(data, config)
    with torch.no_grad():
        for parameter in model.profile.parameters():
            parameter.mul_(100)
    turned = replace(data, user_table=data.user_table.with_columns(pl.col("job").reverse()))
    assert validate(model, data, config) != validate(model, turned, config)


def test_attributes_that_are_to_be_read_must_be_there():
    data = replace(wanting_data(), user_table=None)
    with pytest.raises(ConfigError, match=r'profile.kind "prefix" needs attributes of users.*none'):
        check_parts(data, config_of(**READING))


def test_attributes_that_are_there_change_nothing_where_they_are_not_read(tmp_path):
    data, found = wanting_data(), []
    for place, each in enumerate((data, replace(data, user_table=None))):
        result = train(each, config_of(), tmp_path / str(place), reporter="none")
        found.append([record["sequence_loss"] for record in result.history])
    assert found[0] == found[1]
