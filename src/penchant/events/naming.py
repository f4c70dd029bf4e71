"""Which column of a source plays which part: given by the caller, named as in the contract, or
refused with a concrete guess.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from penchant.errors import InputError, UsageError
from penchant.events.columns import CANONICAL

ROLES = (
    "user_id",
    "item_id",
    "timestamp",
    "position",
    "event_id",
    "event_type",
    "value",
    "session_id",
)
"""Columns that mean something to Penchant; all others are context."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "user_id": ("user", "userid", "uid", "customer", "customerid", "visitorid", "memberid",
                "reviewerid", "accountid", "clientid", "profileid", "personid"),
    "item_id": ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "sku", "asin",
                "parentasin", "article", "articleid", "stockcode", "song", "songid", "track",
                "trackid", "contentid", "businessid", "newsid", "clickarticleid", "bookid"),
    "timestamp": ("time", "ts", "date", "datetime", "eventtime", "createdat", "unixreviewtime",
                  "invoicedate", "unixtime", "timems", "clicktimestamp", "when", "occurredat"),
    "position": ("pos", "order", "rank", "index", "seq", "sequence", "step"),
}  # fmt: skip


@dataclass(frozen=True)
class Naming:
    """The result: `roles` maps a role to a column, `context` a further name to its column."""

    roles: Mapping[str, str]
    context: Mapping[str, str]
    notes: tuple[str, ...] = ()


def parse_columns(columns: str | Mapping[str, str | int] | None) -> dict[str, str]:
    """Read a column mapping, `user_id=UID,timestamp=ts` or the same as a dict.

    Raises
    ------
    UsageError
        When a piece is not `name=column`.

    Examples
    --------
    >>> parse_columns("user_id=0, item_id=1")
    {'user_id': '0', 'item_id': '1'}
    """
    if columns is None:
        return {}
    if not isinstance(columns, str):
        return {str(role): str(column) for role, column in columns.items()}
    pairs: dict[str, str] = {}
    for piece in columns.split(","):
        role, mark, column = (text.strip() for text in piece.partition("="))
        if not (role and mark and column):
            raise UsageError(
                f'--columns must be pairs such as user_id=UID, but holds "{piece.strip()}".',
                "Write --columns user_id=UID,timestamp=ts.",
            )
        pairs[role] = column
    return pairs


def resolve(
    names: tuple[str, ...],
    given: Mapping[str, str],
    aliases: Mapping[str, str],
    order_by: str,
    source: str,
) -> Naming:
    """Decide which of the columns `names` plays which role.

    Raises
    ------
    InputError
        When a column that was given does not exist, or a role that is needed has none.
    """
    for role, column in given.items():
        if column not in names:
            raise InputError(
                f"{source} has no column {column}, which --columns gives for {role}; "
                f"found: {_listing(names)}.",
                _near_hint(column, names),
            )
    roles = {role: role for role in ROLES if role in names}
    roles |= {role: column for role, column in aliases.items() if role not in roles}
    roles |= {role: column for role, column in given.items() if role in ROLES}
    _require(names, roles, order_by, source)
    context, notes = _context(names, given, set(roles.values()))
    return Naming(roles, context, notes)


def _listing(names: tuple[str, ...]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")


def _near_hint(column: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(column, names, n=1)
    return f"Did you mean {near[0]}?" if near else "Use one of the names found."


def _require(names: tuple[str, ...], roles: Mapping[str, str], order_by: str, source: str) -> None:
    needed = ["user_id", "item_id"]
    if order_by == "position" or "position" not in roles:
        needed.append(order_by)
    missing = [role for role in needed if role not in roles]
    if not missing:
        return
    raise InputError(
        f"{source} has no column {' and no column '.join(missing)}; found: {_listing(names)}.",
        _mapping_hint(missing, names, set(roles.values())),
    )


def _mapping_hint(missing: list[str], names: tuple[str, ...], taken: set[str]) -> str:
    if names == tuple(str(index) for index in range(len(names))):
        guess = ",".join(f"{role}={index}" for index, role in enumerate(missing))
        return f"Say which column is which: --columns {guess}."
    if all(_is_number(name) for name in names):
        return "If the first line is data, add --no-header --columns user_id=0,item_id=1,…"
    free = [name for name in names if name not in taken]
    guesses: dict[str, str | None] = {}
    for role in missing:
        guesses[role] = guess_column(role, [n for n in free if n not in guesses.values()])
    pairs = ",".join(f"{role}={column or 'NAME'}" for role, column in guesses.items())
    position = "position" in names and missing == ["timestamp"]
    return "Use --order-by position." if position else f"Name it: --columns {pairs}."


def _is_number(name: str) -> bool:
    return name.replace(".", "").replace("-", "").isdecimal()


def guess_column(role: str, names: list[str]) -> str | None:
    """Return the column that most probably plays a role, or None.

    Examples
    --------
    >>> guess_column("item_id", ["price", "movieId"])
    'movieId'
    """
    plain = {"".join(c for c in name.lower() if c.isalnum()): name for name in names}
    for synonym in (role.replace("_", ""), *SYNONYMS.get(role, ())):
        if synonym in plain:
            return plain[synonym]
    near = difflib.get_close_matches(role.replace("_", ""), list(plain), n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def _context(
    names: tuple[str, ...], given: Mapping[str, str], taken: set[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name the columns without a role; one that a canonical column would hide gets a new name."""
    renamed = {column: role for role, column in given.items() if role not in ROLES}
    context: dict[str, str] = {}
    notes = []
    for column in names:
        if column in taken:
            continue
        name = renamed.get(column, column)
        if name in CANONICAL or name in ROLES or name in context or name.startswith("__"):
            name = f"source_{name.lstrip('_')}"
            notes.append(f"Column {column} is kept as {name}.")
        context[name] = column
    return context, tuple(notes)
