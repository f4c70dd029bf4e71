"""Laws of every loss: two forms agree, and what is sampled stands for what is not.

Each law is a function that raises `LawBroken` with figures; one that does not concern a loss says
nothing. Run them on a loss of your own with `check_loss`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from penchant.heads import Head
from penchant.losses import (
    FullSoftmax,
    GeneralisedCrossEntropy,
    Loss,
    Negatives,
    PairwiseRanking,
    SampledLoss,
    SampledSoftmax,
    Targets,
)
from penchant.testing.folding import LawBroken

NUM_TARGETS = 57
"""Odd, so that blocks do not come out even."""

NUM_DRAWS = 3_000
"""Draws of a batch over which an estimate is averaged."""


@dataclass(frozen=True)
class Judgement:
    """A loss, a head, and what they are asked about, in float64.

    Parameters
    ----------
    loss, head
        Under test.
    vectors
        (M, D) interest vectors.
    table
        (I, D) item vectors.
    targets
        What came next.
    seed
        Of what is drawn while a law is tested.
    """

    loss: Loss
    head: Head
    vectors: Tensor
    table: Tensor
    targets: Targets
    seed: int

    @classmethod
    def drawn(cls, loss: Loss, head: Head, width: int, num_items: int, seed: int) -> Judgement:
        """Return a random question; the head's biases are drawn too."""
        draw = torch.Generator().manual_seed(seed)
        vectors = torch.randn(NUM_TARGETS, width, generator=draw, dtype=torch.float64) * 3
        table = torch.randn(num_items, width, generator=draw, dtype=torch.float64)
        item = torch.randint(num_items, (NUM_TARGETS,), generator=draw)
        label = torch.randint(2, (NUM_TARGETS,), generator=draw).double()
        weight = torch.rand(NUM_TARGETS, generator=draw, dtype=torch.float64)
        head = head.double()
        with torch.no_grad():
            head.bias.copy_(torch.randn(num_items, generator=draw, dtype=torch.float64))
        targets = Targets(item, label, weight)
        return cls(loss, head, vectors.requires_grad_(), table.requires_grad_(), targets, seed)

    @property
    def leaves(self) -> dict[str, Tensor]:
        """What gradients are taken by."""
        return {"vectors": self.vectors, "table": self.table, **dict(self.head.named_parameters())}

    def value(self) -> Tensor:
        """Return the loss by its blocks, under the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.loss(self.vectors, self.table, self.head, self.targets)

    def reference(self) -> Tensor:
        """Return the loss by its plain form, under the same seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.loss.reference(self.vectors, self.table, self.head, self.targets)

    def against(self, negatives: Negatives) -> Tensor:
        """Return a sampled loss against given negatives."""
        assert isinstance(self.loss, SampledLoss)
        return self.loss.against(negatives, self.vectors, self.table, self.head, self.targets)

    def against_all(self) -> Tensor:
        """Return a sampled loss against every item, drawn once as was expected."""
        return self.against(Negatives.once(torch.arange(len(self.table))))

    def all_scores(self) -> Tensor:
        """Return (M, I) scores of all items by the interest that training compares."""
        keys = self.head.keys(self.table)
        asked = self.head.asked(self.vectors, keys[self.targets.item])
        return self.head.compare(asked, keys, self.head.bias)

    def is_target(self) -> Tensor:
        """Return (M, I) whether an item is what came next."""
        return self.targets.item.unsqueeze(1) == torch.arange(len(self.table))


Law = Callable[[Judgement], None]


def blocks_equal_reference(given: Judgement) -> None:
    """The loss by blocks is the loss written plainly; so are its gradients, which are finite."""
    value, reference = given.value(), given.reference()
    _close("loss and reference", value, reference)
    leaves = given.leaves
    found = torch.autograd.grad(value * 2, list(leaves.values()), allow_unused=True)
    wanted = torch.autograd.grad(reference * 2, list(leaves.values()), allow_unused=True)
    for name, left, right in zip(leaves, found, wanted, strict=True):
        if left is None or right is None:
            if left is not right:
                raise LawBroken(f"{name} has a gradient by one form only.")
            continue
        if not left.isfinite().all():
            raise LawBroken(f"the gradient by {name} must be finite.")
        _close(f"gradients by {name}", left, right)


def order_of_items_does_not_matter(given: Judgement) -> None:
    """Items in another order, negatives with them, give the same loss."""
    num_items = len(given.table)
    order = torch.randperm(num_items, generator=torch.Generator().manual_seed(given.seed))
    place = torch.empty_like(order).scatter_(0, order, torch.arange(num_items))
    shuffled = replace(
        given,
        table=given.table.detach()[order],
        targets=given.targets._replace(item=place[given.targets.item]),
    )
    if isinstance(given.loss, SampledLoss):
        torch.manual_seed(given.seed)
        negatives = given.loss.draw(given.targets, num_items)
        moved, by = place[negatives.item].sort()
        before = given.against(negatives)
        with _biases(given.head, order):
            after = shuffled.against(Negatives(moved, negatives.drawn[by], negatives.expected[by]))
    else:
        before = given.value()
        with _biases(given.head, order):
            after = shuffled.value()
    _close("loss before and after reordering the items", before, after)


def softmax_against_all_is_full_softmax(given: Judgement) -> None:
    """Every item drawn once, as was expected: a sampled softmax is that over the catalogue.

    Unless it leaves out what is like the target.
    """
    if isinstance(given.loss, SampledSoftmax) and not given.loss.mask_above:
        whole = replace(given, loss=FullSoftmax(given.loss.label_smoothing))
        _close("sampled softmax against all and full softmax", given.against_all(), whole.value())


def draws_estimate_the_partition(given: Judgement) -> None:
    """The mean over draws of sum exp(s_j) / (m q_j) is the sum over all items.

    Batches are drawn from the counts of the training part, as those of a training are.
    """
    loss = given.loss
    if not isinstance(loss, SampledSoftmax) or loss.correction != 1:
        return
    chance = loss.item_counts.double()
    size = len(chance)
    scores = torch.linspace(-1.5, 1.5, size, dtype=torch.float64)[torch.arange(size) * 7 % size]
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(given.seed)
        for _ in range(NUM_DRAWS):
            item = torch.multinomial(chance, NUM_TARGETS, replacement=True)
            negatives = loss.draw(given.targets._replace(item=item), size)
            offset = loss.offset(negatives).double()
            found.append((scores[negatives.item] + offset).exp().sum())
    estimates, wanted = torch.stack(found), scores.exp().sum()
    error = estimates.std() / NUM_DRAWS**0.5
    if not (estimates.mean() - wanted).abs() <= 5 * error + 1e-5 * wanted:  # counts are float32
        raise LawBroken(
            f"the mean over {NUM_DRAWS:,} draws of the sum must be {wanted:.4f} but is "
            f"{estimates.mean():.4f}, with a standard error of {error:.4f}."
        )


def gbce_against_all_is_binary_cross_entropy(given: Judgement) -> None:
    """Every item drawn once: the sum over all items of binary cross-entropy, whatever t is."""
    if isinstance(given.loss, GeneralisedCrossEntropy):
        labels = given.is_target().double()
        each = F.binary_cross_entropy_with_logits(given.all_scores(), labels, reduction="none")
        wanted = each.sum(1) @ given.targets.weight
        _close("gBCE against all and binary cross-entropy", given.against_all(), wanted)


def bpr_against_all_is_the_mean_over_pairs(given: Judgement) -> None:
    """Every item drawn once: the mean over all pairs of what came next and another item."""
    if isinstance(given.loss, PairwiseRanking):
        scores, is_hit = given.all_scores(), given.is_target()
        hit = scores[is_hit].unsqueeze(1)
        pairs = -F.logsigmoid(hit - scores).masked_fill(is_hit, 0.0)
        wanted = pairs.sum(1) / (len(given.table) - 1) @ given.targets.weight
        _close("BPR against all and the mean over pairs", given.against_all(), wanted)


LOSS_LAWS: tuple[Law, ...] = (
    blocks_equal_reference,
    order_of_items_does_not_matter,
    softmax_against_all_is_full_softmax,
    draws_estimate_the_partition,
    gbce_against_all_is_binary_cross_entropy,
    bpr_against_all_is_the_mean_over_pairs,
)


def check_loss(loss: Loss, head: Head, width: int, num_items: int, seed: int = 0) -> None:
    """Hold a loss to its laws under a head, in float64.

    Raises
    ------
    LawBroken
        At the first law that does not hold, with both numbers.
    """
    given = Judgement.drawn(loss, head, width, num_items, seed)
    for law in LOSS_LAWS:
        law(given)


@contextmanager
def _biases(head: Head, order: Tensor) -> Iterator[None]:
    """Put a head's biases into another order for a while."""
    before = head.bias.detach().clone()
    with torch.no_grad():
        head.bias.copy_(before[order])
    try:
        yield
    finally:
        with torch.no_grad():
            head.bias.copy_(before)


def _close(what: str, left: Tensor, right: Tensor) -> None:
    difference = ((left - right).abs() / right.abs().clamp(min=1.0)).max()
    if not difference <= 1e-9:
        raise LawBroken(f"{what} differ by {difference:.3g}, more than 1e-9.")
