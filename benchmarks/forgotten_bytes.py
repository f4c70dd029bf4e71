"""How much of forgotten users stays in a file of SQLite that overwrites what it deletes.

`python benchmarks/forgotten_bytes.py` writes plain tables with `secure_delete`, deletes a quarter
of the users, empties the log, and looks for their ids in the bytes of the file. It is why a store
seals what it keeps of a user (docs/decisions).
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from pathlib import Path

NUM_USERS, NUM_FORGOTTEN, NUM_EVENTS = 2_000, 500, 40_000


def num_left(seed: int, clustered: bool) -> int:
    """Return how many forgotten users are still to be found in the file."""
    draw = random.Random(seed)
    users = [f"user-{draw.getrandbits(48):012x}" for _ in range(NUM_USERS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")
        table = "CREATE TABLE events (user TEXT, sequence INTEGER, said TEXT, PRIMARY KEY"
        connection.execute(f"{table} (user, sequence)){' WITHOUT ROWID' if clustered else ''}")
        connection.execute("BEGIN")
        for sequence in range(NUM_EVENTS):
            user = draw.choice(users)
            said = f"<{user}>" + "x" * draw.randrange(5, 150)
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", (user, sequence, said))
        connection.execute("COMMIT")
        forgotten = draw.sample(users, NUM_FORGOTTEN)
        for user in forgotten:
            connection.execute("DELETE FROM events WHERE user = ?", (user,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        content = path.read_bytes()
    return sum(user.encode() in content for user in forgotten)


if __name__ == "__main__":
    for name, clustered in [("by row", False), ("clustered by user", True)]:
        found = [num_left(seed, clustered) for seed in range(3)]
        print(f"{name}: {found} of {NUM_FORGOTTEN} forgotten users are still in the file")
