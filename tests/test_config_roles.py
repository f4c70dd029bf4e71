"""The sections `events` and `objectives`: how they are read, written, merged and refused."""

import pytest

from penchant.config import Config, build_model, build_roles, told_roles
from penchant.errors import ConfigError
from penchant.interest import ValueReadout
from penchant.sequences.roles import EventRoles

from .test_config import load, refusal

TYPES = ("view", "buy", "skip", "like")
SHOP = """
[events]
history_types = ["view", "buy"]
negative_types = ["skip"]
negative_weight = 0.5
type_weights = { buy = 5, "like" = 0.0 }

[objectives.click]
types = ["view", "like"]

[objectives.buy]
types = ["buy"]
weight = 2

[evaluation]
seen_types = ["buy"]
"""


@pytest.fixture
def shop(tmp_path):
    file = tmp_path / "shop.toml"
    file.write_text(SHOP)
    return file


def test_what_is_written_reads_back_equal(shop):
    config = load(name=shop)
    assert Config.from_toml(config.to_toml()) == config
    assert list(config.objectives) == ["click", "buy"]
    assert config.to_dict()["objectives"]["buy"] == {"types": ("buy",), "weight": 2.0}
    assert config.to_dict()["events"]["type_weights"] == {"buy": 5.0, "like": 0.0}


def test_a_later_layer_changes_one_setting_of_an_objective_and_one_weight(shop):
    environ = {"PENCHANT_OBJECTIVES__BUY__WEIGHT": "3"}
    config = load("objectives.click.weight=0.5", "events.type_weights.view=2", name=shop)
    assert config.objectives["click"].types == ("view", "like")
    assert config.objectives["click"].weight == 0.5
    assert config.events.type_weights == {"buy": 5, "like": 0, "view": 2}
    assert load(name=shop, environ=environ).objectives["buy"].weight == 3
    nested = Config.load(shop, {"objectives": {"buy": {"weight": 4}}}, {})
    assert nested.objectives["buy"].weight == 4
    assert config.differences(load(name=shop)) == [
        "events.type_weights.view", "objectives.click.weight"
    ]  # fmt: skip


def test_roles_name_types_by_their_place_in_the_data(shop):
    assert build_roles(load(name=shop), TYPES) == EventRoles(
        history_types=(0, 1),
        seen_types=(1,),
        target_weights=((1.0, 0.0, -0.5, 0.0), (0.0, 5.0, -0.5, 0.0)),
    )


def test_all_types_but_negative_ones_are_targets_where_none_is_named():
    config = load("events.negative_types=['skip']", "events.type_weights.like=3")
    assert build_roles(config, TYPES).target_weights == ((1.0, 1.0, -1.0, 3.0),)


def test_nothing_said_is_no_role_at_all():
    assert build_roles(load(), TYPES) == EventRoles()
    assert told_roles(load()) == {}


def test_values_that_weigh_are_a_role():
    config = load("events.value_as=weight", "events.log_value=true")
    assert build_roles(config, TYPES) == EventRoles(value_as_weight=True, log_value=True)


def test_a_half_life_is_told_in_days():
    config = load("events.half_life_days=0.5")
    assert build_roles(config, TYPES) == EventRoles(half_life_ms=12 * 3_600_000)


def test_a_report_is_told_what_was_chosen(shop):
    assert told_roles(load(name=shop), "buy") == {
        "objective": "buy",
        "target_types": ["buy"],
        "negative_types": ["skip"],
        "history_types": ["view", "buy"],
        "seen_types": ["buy"],
    }
    assert told_roles(load(name=shop))["target_types"] == ["view", "like"]


def test_each_objective_has_a_readout_of_its_own_and_values_one_more(shop):
    model = build_model(load("events.value_as=target", name=shop), 7, 4)
    assert model.objectives == ("click", "buy")
    assert model.readout_of("buy") is model.other_readouts[0]
    assert model.readout_of() is model.readout_of("click") is model.readout_layers
    assert isinstance(model.value, ValueReadout)
    plain = build_model(load("items.kind=identity"), 7, 4)
    assert (plain.objectives, plain.value, len(plain.other_readouts)) == ((), None, 0)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ("objectives.buy.weight=2",),
            "objectives.buy must say types. Set objectives.buy.types.",
        ),
        (
            ("objectives.buy.types=[]",),
            "objectives.buy.types must be Tuple should have at least 1 item",
        ),
        (
            ("objectives.buy.types=['buy']", "objectives.buy.wait=2"),
            'objectives.buy has no setting "wait" (from --set objectives.buy.wait=2). Did you',
        ),
        (("objectives.buy=3",), "objectives.buy must be a section of settings but is 3 (from"),
        (("objectives=3",), "objectives must be a section of settings but is 3 (from"),
        (("events=3",), "events must be a section of settings but is 3 (from"),
        (
            ("objectives.a.types=['buy']", "events.target_types=['view']"),
            "Targets must be named by events.target_types or by objectives, but are by both. "
            "Leave out events.target_types: objectives.a.types says it.",
        ),
        (
            ("events.target_types=['skip','buy']", "events.negative_types=['skip']"),
            'An event type is either target or negative, but "skip" is in events.target_types and',
        ),
        (
            ("objectives.a.types=['skip']", "events.negative_types=['skip']"),
            'An event type is either target or negative, but "skip" is in objectives.a.types and',
        ),
        (
            ("events.negative_types=['skip']", "head.kind=binary", "loss.kind=binary"),
            'events.negative_types has no meaning for loss.kind "binary", which learns what was',
        ),
        (("objectives.2x.types=['buy']",), "The name of an objective must be a letter, then"),
        (
            ("events.type_weights.buy=-1",),
            'events.type_weights must be greater than or equal to 0 but is {"buy" = -1} (from',
        ),
        (("events.value_as=price",), "events.value_as must be 'none', 'weight' or 'target' but"),
        (("events.negative_weight=0",), "events.negative_weight must be greater than 0 but is 0"),
        (("events.target_type=buy",), 'events has no setting "target_type"'),
    ],
)
def test_what_cannot_be_is_refused(overrides, expected):
    assert refusal(*overrides).startswith(expected)


def test_a_kind_where_there_are_none_is_refused():
    assert refusal("training.kind=x").startswith('training has no setting "kind"')


def test_an_unknown_type_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r'target_types names "bye", .* Did you mean buy\?'):
        build_roles(load("events.target_types=['bye']"), TYPES)
