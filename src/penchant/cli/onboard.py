"""`penchant onboard`: which items to ask a new user about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.lists import titles_of
from penchant.cli.options import DataOption, JsonOption, RunArgument
from penchant.cli.output import Output
from penchant.cli.progress import Progress
from penchant.errors import UsageError

if TYPE_CHECKING:
    from penchant.serving.onboarding import Onboarding

MOST_QUESTIONS = 50


def onboard(
    run: RunArgument,
    k: Annotated[int, typer.Option("--k", "-k", metavar="N", help="How many items.")] = 10,
    data: DataOption = None,
    num_users: Annotated[
        int, typer.Option("--users", metavar="N", help="Users that are simulated at most.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(help="Seed of their draw.")] = 0,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep the questions in the bundle: no data is needed then."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which items to ask a new user about.

    Chosen one by one for the lists that the model makes of the answers, on users of the training
    part who stand in for new ones. Fold the answers in the order of asking.
    """
    if not 1 <= k <= MOST_QUESTIONS:
        raise UsageError(f"-k must be from 1 to {MOST_QUESTIONS} but is {k}.", "Say -k 10.")
    if num_users < 2:
        raise UsageError(f"--users must be 2 or more but is {num_users}.", "Leave it out.")
    out = Output(as_json)
    from penchant.bundle import bundle_directory
    from penchant.recommender import Recommender

    rec = Recommender.load(run)
    with Progress("trials") as progress:
        asked = rec.onboarding(
            k,
            data,
            num_users=num_users,
            seed=seed,
            heard=lambda done, all_: progress.told("choosing questions", done, all_),
        )
    if keep:
        rec.save(bundle_directory(run), overwrite=True)
    _tell(out, asked, titles_of(rec), rec.bundle.id)


def _tell(out: Output, asked: Onboarding, titles: dict[str, str], version: str) -> None:
    columns = ["ask", "item", "known by", "of users", *["title"] * bool(titles)]
    rows = [
        [
            place,
            each.item_id,
            f"{each.num_users:,}",
            f"{each.share:.1%}",
            *[titles.get(each.item_id, "")] * bool(titles),
        ]
        for place, each in enumerate(asked.questions, start=1)
    ]
    out.table(columns, rows)
    last = asked.last
    out.line(
        f"{len(asked)} answers tell {last.told_apart:.1%} of the pairs of users apart. NDCG@100 of "
        f"the lists of {asked.num_users:,} simulated users: {asked.ndcg_before:.4f} before, "
        f"{last.ndcg:.4f} after."
    )
    items: list[dict[str, Any]] = [
        {
            "item_id": each.item_id,
            "rank": place,
            "num_users": each.num_users,
            "share": each.share,
            **({"title": titles[each.item_id]} if each.item_id in titles else {}),
        }
        for place, each in enumerate(asked.questions, start=1)
    ]
    out.document(
        {
            "items": items,
            "told_apart": last.told_apart,
            "num_users": asked.num_users,
            "ndcg@100": {"before": asked.ndcg_before, "after": last.ndcg},
            "model_version": version,
        }
    )
