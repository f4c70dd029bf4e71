"""Commands that make lists: `recommend` and `similar`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import (
    CountOption,
    DataOption,
    JsonOption,
    NewItemsOption,
    ObjectiveOption,
    OverwriteOption,
    RunArgument,
)
from penchant.cli.output import Output
from penchant.cli.progress import Progress
from penchant.errors import InputError, MissingFileError, UsageError

if TYPE_CHECKING:
    from penchant.recommender import Recommender
    from penchant.serving.ranking import RankedItem

MOST_LIST = 1000


# limit: function-lines: the options of one command, each with its help, stand in one place
def recommend(
    run: RunArgument,
    history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|@FILE|-",
            help="An item, in order, once per event; or JSON lines with item_id and timestamp.",
        ),
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="ID", help="A user of the data.")] = None,
    users: Annotated[
        str | None, typer.Option(metavar="FILE|all", help="Many users: one id a line, or all.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=".parquet, .csv or .jsonl, with --users."),
    ] = None,
    k: CountOption = 10,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Leave items that were seen in the list.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When is asked: epoch seconds or ISO 8601; later events do not count.",
        ),
    ] = None,
    unknown: Annotated[
        str, typer.Option(metavar="skip|error", help="What to do with unknown items.")
    ] = "skip",
    objective: ObjectiveOption = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What is known of the user, with --history or alone: age=25.",
        ),
    ] = None,
    first_list: Annotated[
        bool,
        typer.Option(
            "--first-list",
            help="For somebody new: popular of late among users of the same --profile, varied.",
        ),
    ] = False,
    new_items: NewItemsOption = None,
    data: DataOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recommend items to a history, a user, or many users.

    A user's whole prepared history is read, the test part included.
    """
    out = Output(as_json)
    _check_count(k)
    if first_list:
        _check_alone(first_list=[history, user, users, to, at, new_items, objective])
        _tell_first_list(out, run, _profile(profile or []), k)
        return
    _check_choice(history, user, users, to, as_json, profile)
    from penchant.recommender import Recommender

    rec = Recommender.load(run)
    _add_items(out, rec, new_items)
    asked: dict[str, Any] = {"k": k, "exclude_seen": not include_seen, "at": _time(at)}
    asked["objective"] = objective
    if users is not None:
        prepared = rec.data(data)
        chosen = list(prepared.users) if users == "all" else _lines(Path(users))
        blocks = rec.lists_for_users(chosen, prepared, **asked)
        _tell_many(out, rec, blocks, len(chosen), to, overwrite)
        return
    if user is not None:
        [(_, [items])] = list(rec.lists_for_users([user], data, **asked))
        skipped: list[str] = []
    else:
        events = _history(history) if history else []
        told = [_profile(profile)] if profile else None
        [items], skipped = rec.lists_for_histories(
            [events], unknown=_on_unknown(unknown), profiles=told, **asked
        )
    if skipped:
        out.warn(f"skipped {len(skipped)} unknown items: {', '.join(skipped[:5])}")
    _tell_one(out, rec, items, {"skipped": skipped} if user is None else {"user_id": user})


def similar(
    run: RunArgument,
    item: Annotated[str, typer.Option(metavar="ID", help="The item.")],
    k: CountOption = 10,
    new_items: NewItemsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the items most like an item.

    By the cosine of their vectors.
    """
    from penchant.recommender import Recommender

    _check_count(k)
    out = Output(as_json)
    rec = Recommender.load(run)
    _add_items(out, rec, new_items)
    _tell_one(out, rec, rec.similar(item, k), {"item_id": item})


def _add_items(out: Output, rec: Recommender, path: Path | None) -> None:
    """Add the items of a file, and say which of them cannot be recommended."""
    if path is None:
        return
    without = rec.add_items(path)
    if without:
        out.warn(f"{len(without):,} new items have no vector: {', '.join(without[:5])}")


def titles_of(rec: Recommender) -> dict[str, str]:
    """Return the titles of items, by id; empty where the items have none."""
    table = rec.bundle.item_table
    if "title" not in table.columns:
        return {}
    pairs = zip(table["item_id"], table["title"], strict=True)
    return {item_id: str(title) for item_id, title in pairs if title is not None}


def list_rows(
    items: Sequence[RankedItem], titles: dict[str, str]
) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of a list, with titles where there are any."""
    valued = any(item.value is not None for item in items)
    columns = ["rank", "item", "score", *["value"] * valued, *["title"] * bool(titles)]
    rows = [
        [
            item.rank,
            item.item_id,
            f"{item.score:.3f}",
            *([] if item.value is None else [f"{item.value:.3f}"]),
            *[titles.get(item.item_id, "")] * bool(titles),
        ]
        for item in items
    ]
    return columns, rows


def _tell_one(
    out: Output, rec: Recommender, items: Sequence[RankedItem], more: dict[str, Any]
) -> None:
    titles = titles_of(rec)
    out.table(*list_rows(items, titles))
    told = [
        item.to_dict() | ({"title": titles[item.item_id]} if item.item_id in titles else {})
        for item in items
    ]
    out.document({"items": told, "model_version": rec.bundle.id, "skipped": [], **more})


def _tell_first_list(out: Output, run: Path, told: dict[str, str], k: int) -> None:
    """List what is popular among users of whom the same is known."""
    from penchant.recommender import Recommender
    from penchant.serving.first_list import counted_attributes

    rec = Recommender.load(run)
    items = rec.first_list(told, k)
    counted = counted_attributes(rec.ranker, told)
    if rec.bundle.first_list is None:
        out.warn(
            "the bundle keeps no popularity (an older version trained it, or it was transferred): "
            "this is the model's list of an empty history"
        )
    elif len(counted) < len(told):
        silent = ", ".join(name for name in told if name not in counted)
        out.warn(f"says nothing here, since too few users shared it or it helped no list: {silent}")
    _tell_one(out, rec, items, {"profile": told, "counted": counted})


def _tell_many(
    out: Output,
    rec: Recommender,
    blocks: Iterable[Any],
    num_all: int,
    to: Path | None,
    overwrite: bool,
) -> None:
    version = rec.bundle.id
    if to is None:
        lists = [
            {"user_id": user_id, "items": [item.to_dict() for item in items]}
            for ids, of_block in blocks
            for user_id, items in zip(ids, of_block, strict=True)
        ]
        out.document({"users": lists, "model_version": version, "skipped": []})
        return
    from penchant.cli.writing import writing_table
    from penchant.serving.batches import table_of

    num_users = 0
    with writing_table(to, overwrite) as writer, Progress("users") as progress:
        for ids, of_block in blocks:
            writer.write(table_of(ids, of_block))
            num_users += len(ids)
            progress.told("recommending", num_users, num_all)
    out.line(f"Lists of {num_users:,} users are in {to}.")
    out.document({"path": to, "num_users": num_users, "model_version": version, "skipped": []})


def _check_alone(first_list: list[Any]) -> None:
    if any(each is not None and each != [] for each in first_list):
        raise UsageError(
            "--first-list is for somebody of whom there is no event: it goes with --profile and -k "
            "alone.",
            "Leave out --history, --user, --users, --out, --at, --objective and --new-items.",
        )


def _check_choice(
    history: list[str] | None,
    user: str | None,
    users: str | None,
    to: Path | None,
    as_json: bool,
    profile: list[str] | None,
) -> None:
    given = [bool(history), user is not None, users is not None]
    if profile and any(given[1:]):
        raise UsageError(
            "--profile goes with --history or stands alone: the attributes of --user and --users "
            "are those of the data.",
            "Leave it out, or say --history.",
        )
    if sum(given) != 1 and not (profile and sum(given) == 0):
        raise UsageError(
            f"recommend needs one of --history, --user and --users, and got {sum(given)}.",
            "Say --history ITEM --history ITEM, or --user ID, or --users all --out recs.parquet; "
            "of somebody new --profile NAME=VALUE.",
        )
    if (to is not None) != (users is not None) and not (as_json and to is None):
        raise UsageError(
            "--users and --out belong together.", "Say --users all --out recs.parquet, or --json."
        )


def _check_count(k: int) -> None:
    if not 1 <= k <= MOST_LIST:
        raise UsageError(f"-k must be from 1 to {MOST_LIST} but is {k}.", "Say -k 10.")


def _on_unknown(given: str) -> Any:
    if given not in ("skip", "error"):
        raise UsageError(f"--unknown must be skip or error but is {given}.", "Say --unknown skip.")
    return given


def _time(given: str | None) -> float | str | None:
    """Return a time as the engine takes it: a number where the text is one."""
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        return given


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise MissingFileError(
            f"{path} does not exist.", "Give a file with one user a line, or all."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, but byte {error.start} is not.") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise InputError(f"{path} names no user.", "Give a file with one user a line, or all.")
    return found


def _history(given: list[str]) -> list[Any]:
    """Return the events that `--history` names: ids, a file, or standard input."""
    first = given[0]
    if first != "-" and not first.startswith("@"):
        return list(given)
    if len(given) > 1:
        raise UsageError(f"--history {first} stands alone, but {len(given)} were given.")
    if first == "-":
        return [_event("standard input", n, line) for n, line in _numbered(sys.stdin.read())]
    path = Path(first[1:])
    if not path.is_file():
        raise MissingFileError(
            f"{path} does not exist.", "Give JSON lines with item_id, timestamp."
        )
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return [_event(str(path), number, line) for number, line in _numbered(text)]


def _profile(given: list[str]) -> dict[str, str]:
    """Return the attributes that `--profile` names; the last one of a name counts."""
    pairs = [each.partition("=") for each in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise UsageError(
                f'--profile needs NAME=VALUE but got "{name}{equals}".', "Say --profile age=25."
            )
    return {name: value for name, _, value in pairs}


def _numbered(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _event(place: str, number: int, line: str) -> Any:
    try:
        event = json.loads(line)
    except ValueError as error:
        raise InputError(
            f"{place}, line {number} is no JSON: {error}.",
            'Write one {"item_id": "item 5", "timestamp": 1777636800} a line.',
        ) from None
    if not isinstance(event, dict) or event.get("item_id") is None:
        raise InputError(
            f"{place}, line {number} must be an object with an item_id but is {line.strip()[:60]}.",
            'Write one {"item_id": "item 5", "timestamp": 1777636800} a line.',
        )
    return event
