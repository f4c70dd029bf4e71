"""Documents of policies: read, written, refused with the place of the fault, compared in words."""

from pathlib import Path

import pytest

from penchant.errors import ConfigError, InputError, MissingFileError
from penchant.policies import (
    ItemColumns,
    Policies,
    check_fields,
    diff,
    load_policies,
    policies_from_dict,
    policies_from_json,
    policies_from_toml,
    policies_to_dict,
    policies_to_json,
)

from .world import ITEMS

EVERYTHING = """
candidates_per_place = 30
filter = { all = [{ field = "price", op = "gt", value = 0 },
                  { not = { field = "genre", op = "in", value = ["Horror"] } }] }

[availability]
hide_unavailable = false

[seen]
exclude = false
recent = [{ event_types = ["buy"], days = 30 }]

[lists]
allow = ["i1", "i2"]
deny = ["i2"]

[impressions]
max_without_click = 5
click_types = ["click", "buy"]

[[caps]]
field = "brand"
most = 2
first = 10

[diversity]
mmr_weight = 0.2
calibration_weight = 0.5
calibration_field = "genre"

[exploration]
slots = { fresh = 4, late = 9 }
list_share = 0.5
weighting = "softmax"

[[promotions]]
name = "spring"
item_id = "i7"
position = 2
starts = 2026-05-01
ends = "2026-06-01T00:00:00Z"
"""


def test_all_is_off_by_default_but_availability_and_seen():
    policies = policies_from_toml("")
    assert policies == Policies()
    assert policies.availability.hide_unavailable
    assert policies.seen.exclude
    told = policies_to_dict(policies)
    assert told["filter"] is None
    assert [told[name] for name in ("caps", "promotions")] == [[], []]
    assert told["impressions"]["max_without_click"] == 0
    assert told["diversity"] == {
        "mmr_weight": 0,
        "calibration_weight": 0,
        "calibration_field": "category",
    }
    assert told["exploration"]["slots"] == {}


def test_toml_and_json_say_the_same():
    policies = policies_from_toml(EVERYTHING)
    assert policies.promotions[0].starts == "2026-05-01"
    assert policies.caps[0].first == 10
    assert policies_from_json(policies_to_json(policies)) == policies
    assert policies_from_dict(policies_to_dict(policies)) == policies
    assert policies_from_json(policies_to_json(Policies())) == Policies()


def test_a_file_is_read_and_one_that_is_none_is_named(tmp_path: Path):
    file = tmp_path / "policies.toml"
    file.write_text(EVERYTHING)
    assert load_policies(file) == policies_from_toml(EVERYTHING)
    with pytest.raises(MissingFileError, match=r"no file of policies .*absent\.toml"):
        load_policies(tmp_path / "absent.toml")
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="must be UTF-8 text, but byte 5 is not"):
        load_policies(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cap]", r'There is no setting "cap" \(from p\)\. Did you mean caps\?'),
        ('[[caps]]\nfeild = "a"', r'caps\[0\] has no setting "feild" .*Did you mean field\?'),
        ("[seen]\nrecents = 1", 'seen has no setting "recents".*Did you mean recent'),
        (
            '[[seen.recent]]\nevent_types = ["a"]\nday = 3',
            r'seen\.recent\[0\] has no setting "day".*Did you mean days',
        ),
        ('[seen]\nexclude = "no"', r'seen\.exclude must be true or false but is "no"'),
        ('[[caps]]\nfield = "a"', r"caps\[0\]\.most must be given"),
        ("caps = 3", "caps must be a list but is 3"),
        ("seen = 3", "seen must be a table but is 3"),
        ('[lists]\ndeny = "i1"', r'lists\.deny must be a list but is "i1"'),
        ("[lists]\ndeny = [1]", r"lists\.deny\[0\] must be a text but is 1"),
        ("[[seen.recent]]\nevent_types = []\ndays = 1", "must be a list that is not empty"),
        ("[exploration]\nmax_share = 2.0", r"exploration\.max_share must be less than .* but is 2"),
        ('[exploration]\nweighting = "soft"', "must be 'uniform' or 'softmax' but is \"soft\""),
        (
            "[exploration]\nslots = { a = 2, b = 2 }",
            "slots have places of their own, and two share",
        ),
        ("[exploration]\nslots = { a = 2 }\nmax_age_days = 0", "max_events says what is new"),
        ("[diversity]\nmmr_weight = 0.6\ncalibration_weight = 0.5", "at most 1, and it is 1.1"),
        (
            '[[promotions]]\nname = "a"\nitem_id = "i"\nposition = 1\nstarts = "soon"',
            r'promotions\[0\]\.starts must be a time such as "2026-05-01".* but is "soon"',
        ),
        (
            '[[promotions]]\nname = "a"\nitem_id = "i"\nposition = 1\n' * 2,
            "promotions have names of their own, and two share one",
        ),
        (
            '[filter]\nfield = "a"\nop = "equal"\nvalue = 1',
            r'filter\.op is none: "equal" \(from p\)\. Known: contains, eq',
        ),
        ("a = ", "p must be TOML: Invalid value"),
    ],
)
def test_a_faulty_document_is_refused_with_the_place(text, message):
    with pytest.raises(ConfigError, match=message):
        policies_from_toml(text, "p")


def test_json_that_is_none_or_no_table_is_refused():
    with pytest.raises(ConfigError, match="must be JSON: Expecting"):
        policies_from_json("{")
    with pytest.raises(ConfigError, match=r"must be a table of policies but is \[\]"):
        policies_from_json("[]")


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (
            {"filter": {"field": "prise", "op": "eq", "value": 1}},
            'filter names "prise".*mean price',
        ),
        ({"caps": [{"field": "colour", "most": 1}]}, r'caps\[0\]\.field names "colour"'),
        (
            {"diversity": {"calibration_weight": 0.1, "calibration_field": "categori"}},
            "calibration_field names.*Did you mean category",
        ),
        (
            {"exploration": {"slots": {"a": 1}, "created_field": "created"}},
            "created_field names.*Did you mean created_at",
        ),
    ],
)
def test_policies_over_attributes_that_no_item_has_are_refused(policies, message):
    with pytest.raises(InputError, match=message):
        check_fields(policies_from_dict(policies), ItemColumns.of(ITEMS))


def test_attributes_that_no_policy_looks_at_need_not_be_there():
    check_fields(Policies(), ItemColumns())
    check_fields(
        policies_from_dict({"caps": [{"field": "category", "most": 1}]}), ItemColumns.of(ITEMS)
    )


def test_a_change_is_told_in_words():
    before = policies_from_toml(EVERYTHING)
    told = policies_to_dict(before)
    told["seen"]["exclude"] = True
    told["filter"] = {"field": "price", "op": "gt", "value": 1}
    told["lists"]["deny"] = ["i2", "i3"]
    told["caps"] = [{"field": "brand", "most": 3, "first": 10}]
    told["exploration"]["slots"] = {"fresh": 5, "new": 7}
    told["promotions"].insert(0, {"name": "extra", "item_id": "i1", "position": 1})
    told["promotions"][1] |= {"position": 3}
    assert diff(before, policies_from_dict(told)) == [
        "Set seen.exclude from false to true.",
        'Added "i3" to lists.deny.',
        'Set filter from {"all": [{"field": "price", "op": "gt", "value": 0}, {"not": {"field": '
        '"genre", "op": "in", "value": ["Horror"]}}]} to '
        '{"field": "price", "op": "gt", "value": 1}.',
        'Removed {"field": "brand", "most": 2, "first": 10} from caps.',
        'Added {"field": "brand", "most": 3, "first": 10} to caps.',
        "Set exploration.slots.fresh from 4 to 5.",
        "Removed exploration.slots.late: 9.",
        "Set exploration.slots.new: 7.",
        'Set promotions "spring".position from 2 to 3.',
        'Added {"name": "extra", "item_id": "i1", "position": 1, "starts": null, "ends": null, '
        '"even_if_seen": false} to promotions.',
    ]
    assert diff(before, before) == []


def test_another_order_and_another_kind_of_value_are_changes():
    def caps(*fields):
        return policies_from_dict({"caps": [{"field": name, "most": 1} for name in fields]})

    assert diff(caps("a", "b"), caps("b", "a")) == [
        "Changed the order of caps, or what is there twice."
    ]
    assert len(diff(caps("a"), caps("a", "a"))) == 1
    one, true = (
        policies_from_dict({"filter": {"field": "a", "op": "eq", "value": value}})
        for value in (1, True)
    )
    assert len(diff(one, true)) == 1
