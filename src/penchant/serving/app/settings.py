"""What `penchant serve` was told, in a form that its workers read from the environment."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Final

from penchant.errors import UsageError

VARIABLE: Final = "PENCHANT_SERVE"
LOCAL_HOSTS: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServeSettings:
    """How the interface runs.

    Parameters
    ----------
    run
        A run or a bundle.
    store
        Address of the store.
    api_keys
        File of keys; whoever comes may do everything where there is none.
    models_dir
        Folder under which models may be changed to.
    cors_origins
        Web pages that may call from a browser, such as `https://shop.example`.
    rate_limit
        Requests a second and key, over all workers; 0 for no limit. A key may have its own.
    num_workers
        Processes on one store.
    num_threads
        Of the engine, in each process; more of them wait for the disk together, not for the
        processor.
    most_pending
        Requests that wait or are worked on in a process; more are answered with 503.
    keep_lists
        Lists that were answered are kept, to be joined with events by `request_id`.
    first_list
        Somebody without events gets what is popular, where the bundle keeps that.
    log_requests
        A line for each request; faults are always logged.
    """

    run: str
    store: str = "sqlite:///penchant.db"
    api_keys: str | None = None
    models_dir: str | None = None
    cors_origins: tuple[str, ...] = field(default=())
    rate_limit: float = 0.0
    num_workers: int = 1
    num_threads: int = 16
    most_pending: int = 256
    keep_lists: bool = True
    first_list: bool = False
    log_requests: bool = True

    def to_environment(self) -> None:
        """Leave the settings to the processes that are started from here."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> ServeSettings:
        """Return what was left.

        Raises
        ------
        UsageError
            When nothing was.
        """
        told = os.environ.get(VARIABLE)
        if told is None:
            raise UsageError(
                f"Settings of the service must stand in {VARIABLE}, and do not.",
                "Start it with: penchant serve RUN",
            )
        stored = json.loads(told)
        return cls(**{**stored, "cors_origins": tuple(stored["cors_origins"])})


def check_host(host: str, has_keys: bool, no_auth: bool) -> None:
    """See that nobody but this machine is let in without a key.

    Raises
    ------
    UsageError
        When others are, and it was not asked for by name.
    """
    if has_keys and no_auth:
        raise UsageError("--no-auth and --api-keys exclude each other.", "Leave one out.")
    if host not in LOCAL_HOSTS and not has_keys and not no_auth:
        raise UsageError(
            f"A service that others can reach ({host}) must ask for keys, but no --api-keys were "
            "given.",
            "Make one with penchant keys create --role write --file keys.json; where something in "
            "front asks for keys, say --no-auth.",
        )
