"""Laws of every index: it finds what a full sort finds, whatever came, went, or is left out.

Scores are sums of small whole numbers, so that every order of adding gives the same bits and ties
are real. An index that is not exact is held to the recall that it states; what it finds must have
the true scores, in the true order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from penchant.indexes import Found, Index
from penchant.seeds import stream
from penchant.testing.folding import LawBroken

NUM_ITEMS: Final = 1_537
WIDTH: Final = 12
NUM_USERS: Final = 40
LENGTH: Final = 10
NUM_WRITES: Final = 60

Make = Callable[[np.ndarray, np.ndarray], Index]
Law = Callable[[Make], None]


class World:
    """Items and users, and what a full sort says of them.

    Vectors lie in clusters, some of them twice; biases differ and some are minus infinity.
    """

    def __init__(self, seed: int = 0) -> None:
        self.draw = stream(seed, "law of indexes")
        self.vectors = self.items(NUM_ITEMS)
        self.vectors[70:90] = self.vectors[400:420]
        self.bias = self.biases(NUM_ITEMS)
        self.bias[70:90] = self.bias[400:420]
        self.bias[::97] = -np.inf
        self.queries = self.items(NUM_USERS * 2).reshape(NUM_USERS, 2, WIDTH)

    def items(self, size: int) -> np.ndarray:
        """Return (size, WIDTH) vectors of whole numbers."""
        centres = stream(5, "centres").integers(-9, 10, (23, WIDTH))
        near = self.draw.integers(-3, 4, (size, WIDTH))
        return (centres[self.draw.integers(23, size=size)] + near).astype(np.float32)

    def biases(self, size: int) -> np.ndarray:
        """Return (size,) biases of whole numbers."""
        return self.draw.integers(-12, 13, size).astype(np.float32)

    def sorted(
        self, k: int, allowed: np.ndarray | None = None, excluded: Sequence[np.ndarray] = ()
    ) -> Found:
        """Return what sorting all scores of all users gives."""
        scores = np.einsum("bkd,id->bki", self.queries, self.vectors, dtype=np.float64).max(1)
        scores = scores + self.bias
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        for user, out in enumerate(excluded):
            scores[user, out] = -np.inf
        pad = max(0, k - len(self.bias))
        scores = np.pad(scores, ((0, 0), (0, pad)), constant_values=-np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, order, 1).astype(np.float32)
        return Found(np.where(best > -np.inf, order, -1), best)


def best_are_those_of_a_full_sort(make: Make) -> None:
    """The k best by score, the lower item first among equals; fewer only where there are fewer."""
    world = World()
    with make(world.vectors, world.bias) as index:
        for k in (1, LENGTH, NUM_ITEMS + 5):
            _same(index, f"the {k} best", index.search(world.queries, k), world.sorted(k))


def given_arrays_are_left_alone(make: Make) -> None:
    """A search changes neither the queries, nor the filters, nor the vectors and biases."""
    world = World(1)
    allowed, out = world.draw.random(NUM_ITEMS) < 0.5, np.arange(30, 90, 7)
    given = (world.vectors, world.bias, world.queries, allowed, out)
    before = [each.copy() for each in given]
    with make(world.vectors, world.bias) as index:
        index.search(world.queries, LENGTH, allowed, [out] * NUM_USERS)
    for name, old, new in zip(
        ("vectors", "bias", "queries", "allowed", "excluded"), before, given, strict=True
    ):
        if not np.array_equal(old, new):
            raise LawBroken(
                f"{_name(index)}: a search must leave what it is given but changes {name}."
            )


def users_do_not_mix(make: Make) -> None:
    """A user alone finds what they find among others; one interest twice counts once."""
    world = World(2)
    with make(world.vectors, world.bias) as index:
        together = index.search(world.queries, LENGTH)
        for user in range(0, NUM_USERS, 7):
            alone = index.search(world.queries[user : user + 1], LENGTH)
            wanted = Found(*(leaf[user : user + 1] for leaf in together))
            _same(index, f"user {user} alone and among others", alone, wanted, exactly=True)
        twice = index.search(np.repeat(world.queries[:, :1], 3, axis=1), LENGTH)
        once = index.search(world.queries[:, 0], LENGTH)
    _same(index, "an interest given three times and once", twice, once, exactly=True)


def filters_leave_k(make: Make) -> None:
    """What is allowed and not excluded comes back, k of it where so much there is."""
    world = World(3)
    best = world.sorted(200).indices
    shares = {name: world.draw.random(NUM_ITEMS) < share for name, share in _SHARES.items()}
    shares["none"] = np.zeros(NUM_ITEMS, bool)
    with make(world.vectors, world.bias) as index:
        for name, allowed in shares.items():
            for out in ([], list(best[:, :150])):
                told = f"{name} of the items allowed, {len(out[0]) if out else 0} excluded"
                wanted = world.sorted(LENGTH, allowed, out)
                for given in (allowed, np.flatnonzero(allowed)):
                    found = index.search(world.queries, LENGTH, given, out or None)
                    _allowed_only(index, told, found, allowed, out)
                    _same(index, told, found, wanted)
        everything = [np.arange(NUM_ITEMS)] * NUM_USERS
        left = index.search(world.queries, LENGTH, excluded=everything).indices
    if (left >= 0).any():
        raise LawBroken(f"{_name(index)}: with every item excluded it finds item {left.max()}.")


_SHARES: Final = {"nine tenths": 0.9, "a third": 0.3, "a hundredth": 0.01}


def changes_are_seen(make: Make) -> None:
    """After items were added, replaced, removed, hidden and shown, it is as if built so."""
    world = World(4)
    with make(world.vectors, world.bias) as index:
        for round_ in range(4):
            _change(world, index)
            if round_ == 2:
                index.wait()
            found = index.search(world.queries, LENGTH)
            _same(index, f"the best after change {round_ + 1}", found, world.sorted(LENGTH))


def _change(world: World, index: Index) -> None:
    """Change index and world alike, the best items of some users among what is changed."""
    size = len(world.vectors)
    best = np.unique(world.sorted(3).indices)
    best = best[best >= 0]
    new = np.concatenate([np.arange(size, size + 37), best[::4], best[:1]])
    vectors, bias = world.items(len(new)), world.biases(len(new))
    bias[5] = -np.inf
    index.put(new, vectors, bias)
    world.vectors = np.concatenate([world.vectors, np.zeros((37, WIDTH), np.float32)])
    world.bias = np.concatenate([world.bias, np.zeros(37, np.float32)])
    for item, vector, offset in zip(new, vectors, bias, strict=True):  # the last one counts
        world.vectors[item], world.bias[item] = vector, offset
    gone, hidden, back = best[1::4], best[2::4], best[3::4]
    index.remove(gone)
    index.hide(np.concatenate([hidden, back]))
    index.show(back)
    world.bias[gone] = -np.inf
    world.bias[hidden] = -np.inf


def hidden_items_stay_hidden(make: Make) -> None:
    """An item that is replaced while it is hidden is found when it is shown, as it is then."""
    world = World(6)
    item, vector = np.array([11]), world.queries[:1, 0] * 3
    with make(world.vectors, world.bias) as index:
        index.hide(item)
        index.put(item, vector)
        if (index.search(world.queries, LENGTH).indices == 11).any():
            raise LawBroken(f"{_name(index)}: item 11 is hidden but found once it is replaced.")
        index.show(item)
        world.vectors[11], world.bias[11] = vector, 0
        _same(index, "the best", index.search(world.queries, LENGTH), world.sorted(LENGTH))


def changes_are_seen_whole(make: Make) -> None:
    """While others write, a search sees all of a change or none of it."""
    world = World(7)
    pair, query = np.array([3, NUM_ITEMS + 4]), np.full((1, WIDTH), 5, np.float32)
    faults: list[str] = []
    done = threading.Event()
    with make(world.vectors, world.bias) as index:
        index.put(pair, _version(1))

        def read() -> None:
            while not done.is_set():
                found = index.search(query, 2)
                if found.scores[0, 0] != found.scores[0, 1] or set(found.indices[0]) != set(pair):
                    faults.append(f"{found.indices[0].tolist()}, {found.scores[0].tolist()}")
                    return

        readers = [threading.Thread(target=_caught(read, faults)) for _ in range(3)]
        for reader in readers:
            reader.start()
        for version in range(NUM_WRITES):
            index.put(pair, _version(1 + version % 9))
            index.remove(np.arange(20 + version, 24 + version))
            index.hide(np.arange(300 + version, 340))
            index.show(np.arange(300, 340))
        done.set()
        for reader in readers:
            reader.join()
    if faults:
        raise LawBroken(
            f"{_name(index)}: items {pair.tolist()} are put together with equal vectors, but a "
            f"search beside it finds {faults[0]}."
        )


def _caught(read: Callable[[], None], faults: list[str]) -> Callable[[], None]:
    def run() -> None:
        try:
            read()
        except Exception as error:
            faults.append(repr(error))

    return run


def _version(version: int) -> np.ndarray:
    """Return (2, WIDTH) two equal vectors that are better than any other."""
    return np.full((2, WIDTH), 100 + version, np.float32)


INDEX_LAWS: tuple[Law, ...] = (
    best_are_those_of_a_full_sort,
    given_arrays_are_left_alone,
    users_do_not_mix,
    filters_leave_k,
    changes_are_seen,
    hidden_items_stay_hidden,
    changes_are_seen_whole,
)


def check_index(make: Make) -> None:
    """Hold an index to its laws.

    Parameters
    ----------
    make
        Makes one of vectors (I, D) and biases (I,) that is ready to be searched.

    Raises
    ------
    LawBroken
        At the first law that does not hold, with what was found and what should be.
    """
    for law in INDEX_LAWS:
        law(make)


def _same(index: Index, what: str, found: Found, wanted: Found, exactly: bool = False) -> None:
    """Refuse what is not the best, or of an index that is not exact, too little of it."""
    if found.indices.shape != wanted.indices.shape:
        raise LawBroken(
            f"{_name(index)}: {what}: lists must have shape {wanted.indices.shape} but have "
            f"{found.indices.shape}."
        )
    if index.is_exact or exactly:
        for name, left, right in zip(("items", "scores"), found, wanted, strict=True):
            differs = np.flatnonzero((left != right).any(1))
            if len(differs):
                user = differs[0]
                raise LawBroken(
                    f"{_name(index)}: {what}: {name} of user {user} must be {_few(right[user])} "
                    f"but are {_few(left[user])}."
                )
        return
    _nearly_same(index, what, found, wanted)


def _nearly_same(index: Index, what: str, found: Found, wanted: Found) -> None:
    """Refuse fewer items than there are, a wrong order, or less recall than is stated."""
    sizes, least = (found.indices >= 0).sum(1), (wanted.indices >= 0).sum(1)
    if (sizes < least).any():
        user = int(np.flatnonzero(sizes < least)[0])
        raise LawBroken(
            f"{_name(index)}: {what}: user {user} must get {least[user]} items but gets "
            f"{sizes[user]}."
        )
    before, after = found.scores[:, :-1], found.scores[:, 1:]
    is_tie = (before == after) & (found.indices[:, 1:] >= 0)
    if (after > before).any() or (is_tie & (np.diff(found.indices) < 0)).any():
        raise LawBroken(f"{_name(index)}: {what}: lists must be in order, but one is not.")
    worst = np.where(wanted.indices >= 0, wanted.scores, np.inf).min(1, keepdims=True)
    hits = int(((found.scores >= worst) & (found.indices >= 0)).sum())
    total, stated = int(least.sum()), index.facts.recall
    recall = hits / total if total else 1.0
    spread = 3 * (max(stated * (1 - stated), 0.01) / NUM_USERS) ** 0.5
    if recall < stated - spread:
        raise LawBroken(
            f"{_name(index)}: {what}: recall is {recall:.3f}, but {stated:.3f} is stated, "
            f"give or take {spread:.3f}."
        )


def _allowed_only(
    index: Index, what: str, found: Found, allowed: np.ndarray, out: Sequence[np.ndarray]
) -> None:
    for user, items in enumerate(found.indices):
        listed = items[items >= 0]
        wrong = listed[~allowed[listed]]
        if out:
            wrong = np.concatenate([wrong, np.intersect1d(listed, out[user])])
        if len(wrong):
            raise LawBroken(f"{_name(index)}: {what}: item {wrong[0]} of user {user} is not.")


def _few(values: np.ndarray) -> list[Any]:
    return list(values[:12].tolist())


def _name(index: Index) -> str:
    return type(index).__name__
