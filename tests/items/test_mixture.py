"""A mixture starts as a sum, leaves out what is missing, and its ends are its sources alone."""

from __future__ import annotations

import pytest
import torch
from tests.items.test_items import attributes

from penchant.errors import ConfigError
from penchant.items import ItemContent, ItemRows, MixtureItems, TextTable
from penchant.testing import check_items

TEXT = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0], [-1.0, 0.5, 3.0], [2.0, -1.0, 1.0]])
COUNTS = torch.tensor([5, 2, 0, 1])


def content(counts: torch.Tensor = COUNTS) -> ItemContent:
    table = TextTable.fit(TEXT, counts > 0, "none")
    return ItemContent(counts, table)


def mixture(*sources: str, **settings) -> MixtureItems:
    torch.manual_seed(3)
    return MixtureItems(2, content(), sources or ("identity", "text"), **settings).eval()


@pytest.mark.parametrize("sources", [("identity",), ("text",), ("identity", "text")])
@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("text_head", ["linear", "mlp", "none"])
def test_the_table_and_single_items_agree(sources, gate, text_head):
    items = mixture(*sources, gate=gate, text_head=text_head)
    if items.gate is not None:
        torch.nn.init.normal_(items.gate.own.weight)
        torch.nn.init.normal_(items.gate.slope)
    check_items(items)
    index = torch.tensor([3, 0, 3, 2])
    torch.testing.assert_close(ItemRows(items)[index], items.table()[index])


def test_attributes_are_a_source_of_their_own():
    three = ItemContent(torch.tensor([1, 0, 4]), None, attributes())
    items = MixtureItems(4, three, ("identity", "features"))
    check_items(items)
    torch.testing.assert_close(items.table()[1], items.sources["features"](None)[1])


def test_a_gate_starts_as_a_sum():
    gated, summed = mixture(gate=True), mixture()
    torch.testing.assert_close(gated.table(), summed.table())
    text = summed.sources["text"](None)
    torch.testing.assert_close(summed.table()[0], summed.vectors.weight[0] + text[0])


def test_an_item_without_events_falls_back_on_its_text():
    items = mixture()
    torch.testing.assert_close(items.table()[2], items.sources["text"](None)[2])


def test_an_item_without_text_keeps_its_identity():
    items = mixture(gate=True)
    assert items.gate is not None
    torch.nn.init.normal_(items.gate.own.weight)
    torch.testing.assert_close(items.table()[1], items.vectors.weight[1])


def test_an_item_of_which_nothing_is_known_is_zero():
    items = MixtureItems(2, content(torch.tensor([5, 0, 1, 1]))).eval()
    assert items.table()[1].tolist() == [0, 0]


def test_a_gate_weighs_by_training_events():
    items = mixture(gate=True)
    assert items.gate is not None
    items.gate.slope.data = torch.tensor([1.0, 0.0])
    share = 6 / (6 + 1)  # softmax of log(1 + 5) and 0
    expected = 2 * (share * items.vectors.weight[0] + (1 - share) * items.sources["text"](None)[0])
    torch.testing.assert_close(items.table()[0], expected)


def test_identities_drop_out_in_training_alone():
    torch.manual_seed(0)
    counts = torch.ones(4_000)
    many = ItemContent(counts, TextTable.fit(torch.randn(4_000, 3), counts > 0, "none"))
    items = MixtureItems(2, many, identity_dropout=0.3)
    fallen = (items.table() == items.sources["text"](None)).all(1)
    assert fallen.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not (items.eval().table() == items.sources["text"](None)).all(1).any()


def test_identities_can_start_from_the_texts():
    items = mixture("identity", start_from_text=True)
    started = items.vectors.weight * 2**0.5
    known = [0, 2, 3]
    assert items.sources.keys() == set()
    table = content().text
    torch.testing.assert_close(started[known], table.vectors[known][:, :2])
    assert (started[1] != 0).all(), "an item without text starts by chance"


@pytest.mark.parametrize(
    ("sources", "settings", "message"),
    [
        (("identty",), {}, 'items.sources names "identty". Did you mean identity?'),
        ((), {}, "each source once and one at least but is []"),
        (("text", "text"), {}, "each source once and one at least but is ['text', 'text']"),
        (("identity",), {"identity_dropout": 1.0}, "from 0 to below 1 but is 1.0"),
        (("features",), {}, 'The source "features" of items.sources needs items with attributes'),
    ],
)
def test_what_cannot_be_mixed_is_refused(sources, settings, message):
    with pytest.raises(ConfigError) as caught:
        MixtureItems(2, content(), sources, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("sources", [("text",), ("identity", "text"), ("identity",)])
@pytest.mark.parametrize("gate", [True, False])
def test_a_later_item_equals_the_same_item_had_it_been_there_without_events(sources, gate):
    items = mixture(*sources, gate=gate)
    if items.gate is not None:
        items.gate.bias.data = torch.tensor([0.3, -0.2])
    vectors, known = items.later({"text": TEXT[1:3]}, 2)
    torch.testing.assert_close(vectors[1], items.table()[2])
    assert known.tolist() == [False, "text" in sources]
    assert vectors[0].tolist() == [0, 0]


def test_a_later_item_is_read_by_its_attributes():
    three = ItemContent(torch.tensor([1, 0, 4]), None, attributes())
    items = MixtureItems(4, three, ("identity", "features"))
    vectors, known = items.later({"features": attributes()}, 3)
    torch.testing.assert_close(vectors[1], items.table()[1])
    assert known.tolist() == [True, True, True]


def test_an_item_without_any_attribute_is_unknown():
    table = attributes()
    table.categorical[2], table.numeric[2] = 0, 0
    assert table.is_known().tolist() == [True, True, True], "its bag is not empty"
    table.bag_index = table.bag_index[:2]
    table.bag_offsets = torch.tensor([0, 2, 2])
    assert table.is_known().tolist() == [True, True, False]
    items = MixtureItems(4, ItemContent(torch.tensor([1, 0, 4]), None, table), ("features",))
    assert items.table()[2].tolist() == [0] * 4
