"""`penchant adapt-text`: a language model goes on learning on histories written as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import DataArgument, JsonOption, OverwriteOption
from penchant.cli.output import Output
from penchant.cli.progress import Progress
from penchant.errors import TrainingInterrupted

if TYPE_CHECKING:
    from penchant.training.text_pretraining import PretrainingSettings


def adapt_text(
    data: DataArgument,
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the new model.")],
    model: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="A decoder or an encoder; see text-models.")
    ] = "minilm",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting: num_steps=500."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Same as --set seed=N.")] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a language model go on learning on what people took, written as text.

    The titles of each history in order, by additions of low rank: a decoder learns to tell the next
    word, an encoder hidden ones. Perplexity is measured on held-out users before and after.
    --set text.model=DIR reads items with the new model. Ctrl-C keeps what is learned so far.

    Settings: num_steps, batch_rows, max_tokens, lora_rank, learning_rate, warmup_steps, mask_share,
    head_steps, held_out_users, template, device, num_threads.
    """
    from penchant.events import PreparedData
    from penchant.training.pretrained_folder import adapt_text as adapt

    out = Output(as_json)
    lines = [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
    asked = _settings(lines)
    with Progress("batches") as progress:
        found, told = adapt(
            PreparedData.load(data),
            model,
            to,
            asked,
            overwrite=overwrite,
            progress=progress.told,
        )
    if not found.is_done:
        raise TrainingInterrupted(
            f"Interrupted after {found.num_steps} of {asked.num_steps} steps; what was learned is "
            f"kept in {to}.",
            f"Go on from there with: penchant adapt-text {data} --model {to} --out DIR",
        )
    words = "next words" if found.task == "causal" else "hidden words, each once"
    out.line(
        f"perplexity of {found.num_words:,} {words}, of {found.num_users:,} held-out users: "
        f"{found.before:,.2f} before, {found.after:,.2f} after"
    )
    if found.fresh_head:
        out.line(
            "the model's files have no head over words: before anything was measured, one learned "
            f"alone for {asked.head_steps} steps"
        )
    out.line(
        f"{found.num_trained:,} numbers trained, {found.trained_share:.2%} of the model, in "
        f"{found.num_steps:,} steps"
    )
    out.line(
        f"Next: penchant train {data} --out RUN --set items.kind=mixture --set text.model={to}"
    )
    out.document({"model": to, **told})


def _settings(lines: list[str]) -> PretrainingSettings:
    """Return the settings that `--set` lines name.

    Raises
    ------
    ConfigError
        When one is unknown, or has a value that it cannot have.
    """
    from penchant.config.layers import checked, layers_of_overrides
    from penchant.training.text_pretraining import PretrainingSettings

    entries: dict[str, tuple[Any, str]] = {}
    for line in lines:
        [layer] = layers_of_overrides([f"training.{line}"])
        entries |= {key: (value, f"--set {line}") for key, (value, _) in layer["training"].items()}
    chosen: PretrainingSettings = checked("adapt-text", PretrainingSettings, entries)
    return chosen
