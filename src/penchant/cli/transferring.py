"""`penchant transfer`: a trained model for the items of another catalogue, by their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.options import DataArgument, JsonOption, OverwriteOption, RunArgument, SetOption
from penchant.cli.output import Output


def transfer(
    run: RunArgument,
    data: DataArgument,
    to: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the new run.")],
    settings: SetOption = None,
    own_mean: Annotated[
        bool,
        typer.Option(
            "--own-mean/--source-mean", help="Centre texts at their own mean, or the source's."
        ),
    ] = True,
    choose: Annotated[
        bool,
        typer.Option(
            "--choose-likeness", help="Choose how much like texts count on the new validation part."
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a trained model speak of other items, by what their texts say.

    Nothing is trained, and no event of the new catalogue is looked at unless likeness is chosen on
    them. What the model learned of single items is left behind. Settings of events, evaluation and
    likeness can be changed.
    """
    from penchant.events import PreparedData
    from penchant.training import transfer_run

    out = Output(as_json)
    made, bundle = transfer_run(
        run,
        PreparedData.load(data),
        to,
        overwrite=overwrite,
        data_path=data.resolve(),
        settings=settings or (),
        own_mean=own_mean,
        choose=choose,
        told=out.line,
    )
    origin = made.manifest["transferred_from"]
    out.line(
        f"bundle {origin['bundle']} of {run} as bundle {bundle.id} in {made.bundle}: "
        f"{len(bundle.vocabulary):,} items"
    )
    out.line(f"Next: penchant evaluate {to}")
    out.document(
        {
            "run": to,
            "model_version": bundle.id,
            "transferred_from": origin,
            "num_items": len(bundle.vocabulary),
            "text": bundle.facts.get("text"),
        }
    )
