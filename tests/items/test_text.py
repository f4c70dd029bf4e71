"""Text vectors are turned as they were fitted, on the items of the training part alone."""

from __future__ import annotations

import pytest
import torch

from penchant.items.text import TextSource, TextTable, turned

FITTED = torch.tensor([True, True, True, False, True, True])


def texts() -> torch.Tensor:
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    text = corners * torch.tensor([4.0, 1.0, 0.8]) + torch.tensor([1.0, -2.0, 0.5])
    return torch.cat([text[:3], torch.tensor([[100.0, 0, 1], [0, 0, 0]]), text[3:]])


def test_whitening_gives_unit_variance_in_every_direction():
    table = TextTable.fit(texts(), FITTED, "whitening")
    rows = table.vectors[[0, 1, 2, 5]]
    covariance = rows.T @ rows / 4
    torch.testing.assert_close(covariance, torch.eye(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("projection", ["whitening", "pca", "none"])
def test_numbers_of_the_fitted_items_have_a_mean_square_of_one(projection):
    table = TextTable.fit(texts(), FITTED, projection)
    assert table.vectors[[0, 1, 2, 5]].square().mean().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(
        table.vectors[[0, 1, 2, 5]].mean(0), torch.zeros(3), atol=1e-5, rtol=0
    )


def test_the_strongest_directions_are_kept():
    text = texts()
    table = TextTable.fit(text, FITTED, "pca", 2)
    centred = text[[0, 1, 2, 5]] - text[[0, 1, 2, 5]].mean(0)
    _, strength, _ = torch.linalg.svd(centred)
    kept = table.vectors[[0, 1, 2, 5]].norm(dim=0)
    assert table.vectors.shape == (6, 2)
    assert (kept[0] / kept[1]).item() == pytest.approx((strength[0] / strength[1]).item(), rel=1e-4)


def test_an_item_without_text_stays_at_zero_and_is_unknown():
    table = TextTable.fit(texts(), FITTED, "whitening")
    source = TextSource(table, 2)
    assert table.vectors[4].tolist() == [0, 0, 0]
    assert source.known.tolist() == [True, True, True, True, False, True]
    assert source(None)[4].tolist() == [0, 0]


def test_a_later_text_is_turned_like_the_earlier_ones():
    text = texts()
    table = TextTable.fit(text, FITTED, "whitening", 2)
    torch.testing.assert_close(turned(text[5:], table.mean, table.turn), table.vectors[5:])


def test_one_text_alone_is_no_reason_to_divide_by_zero():
    table = TextTable.fit(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([True, True]), "pca")
    assert table.vectors.isfinite().all()


def test_no_text_at_all_is_a_table_of_zeros():
    table = TextTable.fit(torch.zeros(3, 2), torch.tensor([True, True, False]), "whitening")
    assert table.vectors.tolist() == [[0, 0]] * 3


def test_without_a_head_the_first_directions_are_taken_and_missing_ones_are_zero():
    table = TextTable.fit(texts(), FITTED, "pca", 2)
    narrow, wide = TextSource(table, 1, "none")(None), TextSource(table, 4, "none")(None)
    torch.testing.assert_close(narrow, table.vectors[:, :1])
    torch.testing.assert_close(wide[:, :2], table.vectors / 2)
    assert wide[:, 2:].abs().sum() == 0
