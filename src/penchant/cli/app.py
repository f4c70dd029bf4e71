"""The table of all commands: what is called what, and an example of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from penchant.cli.adapting import adapt_text
from penchant.cli.data import datasets, fetch, prepare, validate
from penchant.cli.doctor import doctor
from penchant.cli.evaluating import evaluate
from penchant.cli.frame import Frame
from penchant.cli.keys import create, revoke, show
from penchant.cli.lists import recommend, similar
from penchant.cli.onboard import onboard
from penchant.cli.quickstart import quickstart
from penchant.cli.serve import serve
from penchant.cli.store import export_user, forget, retain, stats
from penchant.cli.texts import text_models
from penchant.cli.training import config_show, configs, describe, train
from penchant.cli.transferring import transfer

app = typer.Typer(
    cls=Frame,
    name="penchant",
    help="Turn an event log into a live recommender that changes with every event.",
    context_settings={"max_content_width": 100},
    epilog="Start with: penchant quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config = typer.Typer(help="Look at one recipe.", no_args_is_help=True)
keys = typer.Typer(help="Keys for the HTTP interface.", no_args_is_help=True)
store = typer.Typer(help="Look after what a service remembers.", no_args_is_help=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        import penchant

        print(f"penchant {penchant.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere.")
    ] = False,
) -> None:
    """Take the options that stand before a command; `--debug` is read by the frame."""


def _enter(group: typer.Typer, command: Callable[..., Any], name: str, example: str) -> None:
    group.command(name, epilog=f"Example: {example}")(command)


_enter(app, quickstart, "quickstart", "penchant quickstart --out runs/quickstart")
_enter(app, datasets, "datasets", "penchant datasets")
_enter(app, fetch, "fetch", "penchant fetch ml-100k --out data/ml-100k")
_enter(
    app, validate, "validate",
    "penchant validate data/ml-100k/events.parquet --items data/ml-100k/items.parquet",
)  # fmt: skip
_enter(
    app, prepare, "prepare",
    "penchant prepare data/ml-100k/events.parquet --split leave-one-out --out data/ready",
)  # fmt: skip
_enter(
    app, train, "train",
    "penchant train data/ready --out runs/first --config ml-100k --seed 1",
)  # fmt: skip
_enter(app, transfer, "transfer", "penchant transfer runs/first data/other --out runs/other")
_enter(
    app, adapt_text, "adapt-text",
    "penchant adapt-text data/ready --model smollm2 --out models/shop --set num_steps=200",
)  # fmt: skip
_enter(app, configs, "configs", "penchant configs")
_enter(config, config_show, "show", "penchant config show default")
app.add_typer(config, name="config")
_enter(app, evaluate, "evaluate", "penchant evaluate runs/first --on validation")
_enter(
    app, recommend, "recommend",
    "penchant recommend runs/first --history 50 --history 172 -k 5",
)  # fmt: skip
_enter(app, similar, "similar", "penchant similar runs/first --item 50")
_enter(app, onboard, "onboard", "penchant onboard runs/first -k 10 --keep")
_enter(app, describe, "describe", "penchant describe runs/first")
_enter(app, text_models, "text-models", "penchant text-models --fetch minilm")
_enter(
    app, serve, "serve",
    "penchant serve runs/quickstart --store sqlite:///penchant.db --workers 2",
)  # fmt: skip
_enter(keys, create, "create", "penchant keys create --role write --file keys.json")
_enter(keys, show, "list", "penchant keys list --file keys.json")
_enter(keys, revoke, "revoke", "penchant keys revoke 3f9a12cd --file keys.json")
app.add_typer(keys, name="keys")
_enter(store, stats, "stats", "penchant store stats --store sqlite:///penchant.db")
_enter(store, retain, "retain", "penchant store retain --store sqlite:///penchant.db --days 400")
_enter(
    store, export_user, "export-user",
    "penchant store export-user u1 --store sqlite:///penchant.db --out u1.json",
)  # fmt: skip
_enter(store, forget, "forget", "penchant store forget u1 --store sqlite:///penchant.db")
app.add_typer(store, name="store")
_enter(app, doctor, "doctor", "penchant doctor")


def main() -> None:
    """Run the command line of this process."""
    app()
