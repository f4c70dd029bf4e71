"""The store of an address like `sqlite:///rel.db`."""

from __future__ import annotations

from pathlib import Path

from penchant.errors import EnvironmentFault, UsageError
from penchant.stores.sql import SqlStore
from penchant.stores.sqlite.database import FileDatabase

DURABILITIES = ("disk", "process")


class SqliteStore(SqlStore):
    """One file that holds everything, used by any number of threads and processes.

    Each process opens it for itself: a connection does not survive a fork.

    Parameters
    ----------
    path
        The file; made where there is none.
    durability
        `disk`: what was acknowledged survives a power cut. `process`: it survives the end of the
        process, however it ends, and may be lost with the power.

    Raises
    ------
    EnvironmentFault
        When the file cannot be opened or written.
    CorruptStoreError
        When it is no store, is damaged, or was written by a newer version.
    """

    def __init__(self, path: str | Path, durability: str = "disk") -> None:
        if durability not in DURABILITIES:
            raise UsageError(f'Durability must be disk or process but is "{durability}".')
        place = Path(path)
        if not place.parent.is_dir():
            raise EnvironmentFault(
                f"A store must stand in a folder that exists, but there is no {place.parent}.",
                "Make the folder, or name another place.",
            )
        self.database = FileDatabase(place, durability)
        super().__init__(self.database)
