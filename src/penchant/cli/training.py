"""Commands around a training: `train`, the recipes, and `describe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import DataArgument, JsonOption, OverwriteOption, RunArgument, SetOption
from penchant.cli.output import Output
from penchant.errors import TrainingInterrupted, UsageError

if TYPE_CHECKING:
    from penchant.bundle import Bundle
    from penchant.config import Config


def train(
    data: DataArgument,
    to: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run.")],
    config: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A recipe, or a TOML file.")
    ] = None,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Same as training.seed.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run at --out stands.")
    ] = False,
    overwrite: OverwriteOption = False,
    warm_start: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Start from the weights of this run or bundle."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on prepared data.

    Stops early on a validation metric; curves go to RUN/tensorboard. Ctrl-C keeps what is done, and
    --resume goes on to the same numbers. With --warm-start items keep what is known of their ids,
    and the settings are those of that run unless --config names others.
    """
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other.", "Say one of them.")
    if resume and warm_start is not None:
        raise UsageError(
            "--resume and --warm-start exclude each other: a training has started from something "
            "already.",
            "Say one of them.",
        )
    from penchant.events import PreparedData
    from penchant.training import train as fit

    out = Output(as_json)
    asked = _asked_config(config, settings, seed, to if resume else None, warm_start)
    try:
        done = fit(
            PreparedData.load(data),
            asked,
            to,
            resume=resume,
            overwrite=overwrite,
            data_path=data.resolve(),
            warm_start=warm_start,
        )
    except TrainingInterrupted as interrupt:
        command = f"penchant train {data} --out {to} --resume"
        raise TrainingInterrupted(interrupt.message, f"Go on with: {command}") from interrupt
    out.line(f"Next: penchant evaluate {to}")
    out.document(
        {
            "run": to,
            "model_version": done.bundle.id,
            "reason": done.reason,
            "metric": done.metric,
            "best_value": done.best_value,
            "best_epoch": done.best_epoch,
            "num_epochs": len(done.history),
            "num_steps": done.num_steps,
            "total_s": done.total_s,
            "targets_per_s": done.targets_per_s,
            "peak_memory_mb": done.peak_memory_mb,
        }
    )


def _asked_config(
    name: str | None,
    settings: list[str] | None,
    seed: int | None,
    run: Path | None,
    warm_start: Path | None = None,
) -> Config | None:
    """Return the configuration that was asked for, `None` for that of a run that is resumed."""
    from penchant.config import Config

    changes = [*(settings or []), *([] if seed is None else [f"training.seed={seed}"])]
    if name is None and warm_start is not None:
        from penchant.bundle import bundle_directory

        file = bundle_directory(warm_start) / "config.toml"
        if file.is_file():  # else the bundle is not whole, which is said when it is read
            return Config.from_toml(file.read_text(encoding="utf-8"), str(file)).override(changes)
    if run is None or name is not None:
        return Config.load(name or "default", changes)
    if not changes:
        return None
    from penchant.training import Run

    return Run(run).config.override(changes)


def configs(as_json: JsonOption = False) -> None:
    """List the recipes that are shipped."""
    from penchant.config import recipes

    out = Output(as_json)
    found = recipes()
    rows = [(recipe.name, recipe.command, recipe.figure) for recipe in found]
    out.table(["recipe", "command", "reached"], rows)
    out.line()
    out.line("See one with: penchant config show NAME")
    out.document(
        {
            "recipes": [
                {"name": one.name, "command": one.command, "figure": one.figure} for one in found
            ]
        }
    )


def config_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe, or a TOML file.")],
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a recipe with every setting, as --config reads it."""
    from penchant.config import Config

    out = Output(as_json)
    config = Config.load(name, settings or [])
    if not as_json:
        print(config.to_toml(), end="")
    out.document({"name": name, "config": config.to_dict()})


def describe(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show configuration, sizes and bytes of memory per user."""
    from penchant.bundle import Bundle

    out = Output(as_json)
    bundle = Bundle.load(run)
    body = _description(bundle)
    trained = body["num_trained_parameters"]
    only = "" if trained == body["num_parameters"] else f", {trained:,} of them trained"
    out.line(f"bundle {bundle.id}, {body['num_parameters']:,} parameters{only}")
    for base in body["bases"]:
        out.line(
            f"built on {base['name']} (fingerprint {base['fingerprint']}), which is not in the "
            f"bundle: {base['num_trained']:,} of {base['num_parameters']:,} numbers there trained"
        )
    if text := body["text"]:
        kept = f", {text['num_trained']:,} of its numbers trained and kept here"
        out.line(
            f"texts of items are read by {text['model']} (fingerprint {text['fingerprint'][:12]}), "
            f"{text['adaptation']}{kept if text['num_trained'] else ''}; it is needed again only "
            "for new items"
        )
    facts = bundle.facts
    out.line(
        f"{facts['num_items']:,} items, {facts['num_users']:,} users, "
        f"{facts['num_train_events']:,} training events of type {' or '.join(bundle.event_types)}"
    )
    if (run / "run.json").is_file():
        body["run"] = _told_of_run(out, run)
    out.table(["part", "parameters"], list(body["parameters"].items()), title="Parameters")
    rows = [[name, f"{size:,}"] for name, size in body["state"].items()]
    out.table(["state of a user", "bytes"], rows, title="Memory per user")
    out.line(
        f"in all {body['state_bytes']:,} bytes, whatever the length of the history; "
        f"seen items take {body['seen_bytes_per_item']} bytes each beside it"
    )
    if body["memory_kind"] == "window":
        out.line(
            f"of them a window of the last {body['window_events']:,} events, "
            "which are read again with every new one"
        )
    if body["user_attributes"]:
        out.line(f"reads of a user before the first event: {', '.join(body['user_attributes'])}")
    out.heading("Configuration")
    out.line(bundle.config.to_toml().rstrip())
    out.document(body)


def _told_of_run(out: Output, path: Path) -> dict[str, Any]:
    from penchant.training import Run

    told = Run(path).manifest
    if origin := told.get("transferred_from"):
        out.line(f"transferred from {origin['path']} (bundle {origin['bundle']})")
        return told
    if origin := told.get("warm_start"):
        out.line(f"started from {origin['path']} (bundle {origin['bundle']})")
    out.line(
        f"trained on {told['data']['path']} with seed {told['seed']}, "
        f"{told['targets_per_s']:,} targets/s, ended by {told['reason']}; "
        f"the test part was looked at {told['test_looks']} times"
    )
    return told


def _description(bundle: Bundle) -> dict[str, Any]:
    from penchant.adapters import bases, trained_parameters
    from penchant.encoders import WindowEncoder, state_bytes
    from penchant.serving.memory import seen_bytes

    encoder = bundle.model.encoder
    state = bundle.model.initial_state(1)
    parameters: dict[str, int] = {}
    for name, weight in bundle.model.named_parameters():
        part = name.partition(".")[0]
        parameters[part] = parameters.get(part, 0) + weight.numel()
    return {
        "model_version": bundle.id,
        "facts": bundle.facts,
        "event_types": bundle.event_types,
        "num_items": len(bundle.vocabulary),
        "num_parameters": sum(parameters.values()),
        "num_trained_parameters": trained_parameters(bundle.model),
        "bases": [base._asdict() for base in bases(bundle.model)],
        "text": _told_of_text(bundle),
        "parameters": parameters,
        "memory_kind": encoder.memory_kind,
        "window_events": encoder.reach - 1 if isinstance(encoder, WindowEncoder) else 0,
        "state_bytes": state_bytes(state),
        "state": dict(_leaves("", state)),
        "seen_bytes_per_item": seen_bytes(len(bundle.vocabulary)),
        "user_attributes": [each.name for each in bundle.user_encoder.attributes],
        "config": bundle.config.to_dict(),
    }


def _told_of_text(bundle: Bundle) -> dict[str, Any] | None:
    """Return which language model read the texts, and what of it was trained."""
    told = bundle.facts.get("text")
    if told is None:
        return None
    weights = bundle.text_weights.values()
    num_trained = sum(weight.numel() for weight in weights if weight.is_floating_point())
    return {"adaptation": "frozen", **told, "num_trained": num_trained}


def _leaves(name: str, state: Any) -> list[tuple[str, int]]:
    """Return the bytes of one user in every leaf of a state, by its path."""
    from penchant.encoders import state_bytes

    if not hasattr(state, "_fields"):
        return [(name, state_bytes(state))]
    return [
        leaf
        for field in state._fields
        for leaf in _leaves(f"{name}.{field}".lstrip("."), getattr(state, field))
    ]
