"""Zero-shot: a model trained on one catalogue, asked for the items of another, beside baselines.

    python benchmarks/transfer.py retail EVENTS ITEMS --out DATA
    python benchmarks/transfer.py films ML100K ML1M --out DIR
    python benchmarks/transfer.py measure RUN DATA [--on test] [--without ITEMS] [--set KEY=VALUE]

`retail` prepares UCI Online Retail: purchases of known customers, product codes only. `films`
prepares DIR/target (ml-100k), DIR/source (ml-1m without the films that ml-100k has, by title) and
DIR/whole (ml-1m with all its films). `measure` transfers the model of RUN in both ways, and once
with likeness chosen on the validation part where it has that, and prints figures with intervals and
paired differences. `--without` takes films of ITEMS out of the candidates.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import torch

from penchant import EventLog
from penchant.baselines import fit_baselines
from penchant.bundle import Bundle
from penchant.config import build_roles
from penchant.evaluation import ModelRanker
from penchant.evaluation.ranking import Ranker, Ranking, rank_targets
from penchant.evaluation.summary import RankerSummary, chance_values, ranked_values
from penchant.events import Part, PreparedData
from penchant.sequences.candidates import among_candidates
from penchant.training import transfer
from penchant.training.content import text_vectors
from value_of_time import told

METRICS = ("ndcg@10", "hit@10")
BESIDE = ("popular", "recent_popular", "mean_text")
WAYS: Mapping[str, bool] = {"source's mean": False, "own mean": True}
PURCHASES = "event_type = 'purchase' AND user_id IS NOT NULL AND REGEXP_LIKE(item_id, '^[0-9]{5}')"
ARTICLE = re.compile(r"(.*), (the|a|an|le|la|les|l'|il|der|die|das|el|los|las|lo|une?|det|den)")


def main() -> None:
    """Prepare or measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    retail = commands.add_parser("retail")
    retail.add_argument("events", type=Path)
    retail.add_argument("items", type=Path)
    films = commands.add_parser("films")
    films.add_argument("target", type=Path, help="folder of ml-100k: events, items")
    films.add_argument("source", type=Path, help="folder of ml-1m: events, items")
    for command, split in ((retail, "time:0.9"), (films, "leave-one-out")):
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--split", default=split)
    measure = commands.add_parser("measure")
    measure.add_argument("run", type=Path)
    measure.add_argument("data", type=Path)
    measure.add_argument("--on", choices=("test", "validation"), default="test")
    measure.add_argument("--without", type=Path, help="films that are no candidates, by title")
    measure.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    if asked.command == "retail":
        prepare_retail(asked.events, asked.items, asked.out, asked.split)
    elif asked.command == "films":
        prepare_films(asked.target, asked.source, asked.out, asked.split)
    else:
        with torch.inference_mode():
            measured(asked.run, asked.data, Part[asked.on.upper()], asked.without, asked.settings)


def prepare_retail(events: Path, items: Path, out: Path, split: str) -> None:
    """Prepare purchases of known customers; one line of an item in a row counts once."""
    log = EventLog.read(events, items=items, where=PURCHASES)
    kept(log.prepare(split=split, drop_consecutive_repeats=True), out)


def prepare_films(target: Path, source: Path, out: Path, split: str) -> None:
    """Prepare ml-100k, and ml-1m with and without the films that it has."""
    items = pl.read_parquet(target / "items.parquet")
    years = pl.format("{} ({})", "title", "release_year")  # as ml-1m writes them
    named = items.with_columns(
        title=pl.when(pl.col("release_year").is_null()).then("title").otherwise(years),
        category=pl.col("category").str.replace_all(" ", "|"),
    )
    log = EventLog.read(target / "events.parquet", items=named)
    kept(log.prepare(split=split), out / "target")
    others = pl.read_parquet(source / "items.parquet")
    shared = others.filter(pl.Series(shares_a_title(others["title"], items["title"])))
    events = pl.read_parquet(source / "events.parquet").filter(pl.col("position").is_not_null())
    without = events.filter(~pl.col("item_id").is_in(shared["item_id"].implode()))
    print(f"{shared.height:,} of {others.height:,} films of {source} are in {target} too")
    for name, each in (("source", without), ("whole", events)):
        log = EventLog.read(each, items=others, order_by="position")
        kept(log.prepare(split="leave-one-out"), out / name)


def kept(data: PreparedData, out: Path) -> None:
    """Write prepared data and say what it is."""
    data.save(out, overwrite=True)
    print(f"{out}\n{data.summary_text()}\n")


def measured(
    run: Path, folder: Path, part: Part, without: Path | None, settings: list[str]
) -> None:
    """Transfer a run and print how it does."""
    source, data = Bundle.load(run), PreparedData.load(folder)
    made = {
        way: transfer(source, data, settings=settings, own_mean=own_mean, told=print)
        for way, own_mean in WAYS.items()
    }
    if source.config.likeness.kind != "none":
        chosen = transfer(source, data, settings=settings, choose=True, told=print)
        made["likeness chosen"] = chosen
    config = next(iter(made.values())).config
    roles = build_roles(config, data.event_types)
    candidates = None
    if without is not None:
        titles = pl.read_parquet(without)["title"]
        candidates = ~np.array(shares_a_title(data.item_table["title"], titles))
        print(f"{candidates.sum():,} of {data.num_items:,} films are candidates")
    exclude_seen = config.evaluation.exclude_seen
    log = among_candidates(roles.with_targets(data.log), candidates)
    fitted = fit_baselines(
        log,
        data.num_items,
        BESIDE,
        exclude_seen,
        roles,
        candidates=candidates,
        vectors=text_vectors(data.item_table, config.text).vectors,
    )
    models: dict[str, Ranker] = {
        way: ModelRanker(bundle.model, roles=roles) for way, bundle in made.items()
    }
    ranking = rank_targets(
        {**models, **fitted},
        log,
        part,
        np.zeros(data.num_items),
        exclude_seen=exclude_seen,
        seen_event_types=roles.seen_types,
        candidates=candidates,
    )
    show(summaries(ranking), ranking, list(models))
    for name, baseline in fitted.items():
        if chosen := getattr(baseline, "chosen", None):
            print(f"{name} chose on validation: {chosen}")


def summaries(ranking: Ranking) -> dict[str, RankerSummary]:
    """Return the figures of every ranker, and those of chance."""
    values = {
        name: ranked_values(ranked, ranking.num_items) for name, ranked in ranking.by_ranker.items()
    }
    values["random"] = chance_values(ranking, (10,))
    return {
        name: RankerSummary(each, ranking, num_draws=1_000, seed=0) for name, each in values.items()
    }


def show(found: Mapping[str, RankerSummary], ranking: Ranking, models: list[str]) -> None:
    """Print figures, and the differences of each way of transfer against the others."""
    asked = ~ranking.is_left_out
    users = len(np.unique(ranking.user[asked]))
    print(
        f"\n{asked.sum():,} targets of {users:,} users, {(ranking.item[asked] < 0).sum():,} of "
        "them on items that are not known; 95 % intervals over users"
    )
    for metric in METRICS:
        print(f"\n{metric}")
        for name, summary in found.items():
            print(f"  {name:16} {told(summary.figures()[metric])}")
        for model in models:
            for name, summary in found.items():
                if name != model:
                    difference = found[model].minus(summary)[metric]
                    print(f"  {model} − {name:16} {told(difference, '+')}")
    print()


def shares_a_title(titles: Iterable[str | None], others: Iterable[str | None]) -> list[bool]:
    """Return which titles are among others, under any of the names that both give."""
    known = set().union(*(names(title) for title in others))
    return [bool(names(title) & known) for title in titles]


def names(title: str | None) -> set[str]:
    """Return the names of a film: its title, what stands in brackets, and parts of a series.

    Without year, article and marks: "Star Wars: Episode V - The Empire Strikes Back (1980)" is
    `empirestrikesback` among others.
    """
    plain = unicodedata.normalize("NFKD", title or "").encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"\(\d{4}\)", "", plain)
    whole = re.sub(r"\([^)]*\)", "", plain)
    pieces = [whole, *re.findall(r"\(([^)]*)\)", plain)]
    if ": episode" in whole:
        pieces += re.split(r": episode \w+ - ", whole)
    return {name for piece in pieces if (name := plain_name(piece))}


def plain_name(piece: str) -> str:
    """Return a name without article and marks."""
    piece = re.sub(r"^a\.?k\.?a\.?\s", "", piece.strip()).replace("&", " and ")
    if behind := ARTICLE.fullmatch(piece):
        piece = f"{behind[2]} {behind[1]}"
    words = re.sub(r"[^a-z0-9]+", " ", piece).split()
    return "".join(words[1:] if words and words[0] in ("the", "a", "an") else words)


if __name__ == "__main__":
    main()
