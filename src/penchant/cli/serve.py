"""`penchant serve`: the HTTP interface, in one process or several on one store."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from penchant.cli.options import RunArgument
from penchant.errors import EnvironmentFault, MissingExtraError, UsageError

if TYPE_CHECKING:
    import uvicorn

    from penchant.serving.app.settings import ServeSettings

MARKER: Final = "bundle.json"
NEWEST: Final = 10**6
"""Of any format: what reads the bundle says which it can."""
FACTORY: Final = "penchant.serving.app.worker:app_from_environment"
PATIENCE_S: Final = 30
"""How long what was taken up may take when the service ends."""
HUNG_S: Final = 15
"""A worker that says nothing for so long is ended and replaced."""
BACKLOG: Final = 2048


def serve(
    run: RunArgument,
    host: Annotated[str, typer.Option(help="Another than 127.0.0.1 needs keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8000,
    store: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="PENCHANT_STORE", help="sqlite:///penchant.db, or memory://."
        ),
    ] = "sqlite:///penchant.db",
    workers: Annotated[int, typer.Option(metavar="N", help="Processes on one store.")] = 1,
    api_keys: Annotated[
        Path | None,
        typer.Option(metavar="F", envvar="PENCHANT_API_KEYS", help="From `penchant keys create`."),
    ] = None,
    models_dir: Annotated[
        Path | None,
        typer.Option(metavar="D", help="Runs and bundles that the model may be changed to."),
    ] = None,
    cors_origins: Annotated[
        list[str] | None,
        typer.Option("--cors-origin", metavar="O", help="A web page's origin that may call."),
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let everybody in.")] = False,
    rate_limit: Annotated[
        float, typer.Option(metavar="N", help="Requests a second and key; 0 for no limit.")
    ] = 0.0,
    threads: Annotated[int, typer.Option(metavar="N", help="Of the engine, per process.")] = 16,
    first_list: Annotated[
        bool, typer.Option("--first-list", help="Who has no events gets what is popular.")
    ] = False,
    keep_lists: Annotated[
        bool, typer.Option(help="Keep the lists that are answered, to be joined with events.")
    ] = True,
    log_requests: Annotated[bool, typer.Option(help="Write a line for each request.")] = True,
) -> None:
    """Answer over HTTP: events in, lists out.

    Everything is kept in the store. It ends on a signal, when what it took up is answered.
    """
    if not 0 <= port < 65_536:
        raise UsageError(f"--port must be from 0 to 65535 but is {port}.")
    settings = _settings()(
        run=str(run),
        store=store,
        api_keys=None if api_keys is None else str(api_keys),
        models_dir=None if models_dir is None else str(models_dir),
        cors_origins=tuple(cors_origins or ()),
        rate_limit=rate_limit,
        num_workers=workers,
        num_threads=threads,
        keep_lists=keep_lists,
        first_list=first_list,
        log_requests=log_requests,
    )
    _check(settings, host, no_auth)
    with _bound(host, port) as (bound, address):
        print(f"penchant: {address}/docs", file=sys.stderr, flush=True)
        _run(settings, bound)


def _settings() -> type[ServeSettings]:
    """Return the settings' class, where what serves is installed."""
    try:
        import httptools  # noqa: F401  asked for here, so that nothing is half started
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"penchant serve needs {error.name}.", "pip install 'penchant[serve]'"
        ) from error
    from penchant.serving.app.settings import ServeSettings

    return ServeSettings


def _check(settings: ServeSettings, host: str, no_auth: bool) -> None:
    """Refuse what no worker could start with, once and in words."""
    from penchant.events.directories import read_manifest
    from penchant.serving.app.keys import KeyFile
    from penchant.serving.app.settings import check_host
    from penchant.stores import open_store

    _check_numbers(settings)
    check_host(host, settings.api_keys is not None, no_auth)
    if settings.api_keys is not None:
        KeyFile(settings.api_keys)
    if settings.models_dir is not None and not Path(settings.models_dir).is_dir():
        raise UsageError(f"--models-dir must be a folder, and {settings.models_dir} is none.")
    run = Path(settings.run)
    place = run if (run / MARKER).is_file() else run / "bundle"
    read_manifest(place if place.is_dir() else run, MARKER, "bundle", NEWEST)
    open_store(settings.store).close()


def _check_numbers(settings: ServeSettings) -> None:
    numbers = settings.num_workers, settings.num_threads, settings.rate_limit
    if settings.num_workers < 1 or settings.num_threads < 1 or not settings.rate_limit >= 0:
        raise UsageError(
            "--workers and --threads must be 1 or more and --rate-limit 0 or more but they are "
            "{}, {} and {:g}.".format(*numbers)
        )
    if settings.num_workers > 1 and settings.store.startswith("memory:"):
        raise UsageError(
            f"{settings.num_workers} workers need a store that they share, and memory:// lives in "
            "one process.",
            "Say --store sqlite:///penchant.db.",
        )


@contextmanager
def _bound(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """Take the port before anything slow is done; give its address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise EnvironmentFault(
            f"Port {port} of {host} cannot be taken: {error.strerror or error}.",
            "End what has it, or say --port 8001.",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    bound.set_inheritable(True)
    try:
        yield bound, f"http://{shown}:{bound.getsockname()[1]}"
    finally:
        bound.close()


def _run(settings: ServeSettings, bound: socket.socket) -> None:
    """Serve until a signal comes."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings.to_environment()
    with _shared_figures(settings.num_workers):
        import uvicorn

        config = uvicorn.Config(
            FACTORY,
            factory=True,
            workers=settings.num_workers,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=PATIENCE_S,
            timeout_worker_healthcheck=HUNG_S,
        )
        if settings.num_workers > 1:
            _run_several(config, bound)
        else:
            _run_one(config, bound)


def _run_one(config: uvicorn.Config, bound: socket.socket) -> None:
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: None)  # raised again when all is answered
    server = uvicorn.Server(config)
    server.run(sockets=[bound])
    if not server.started:
        raise EnvironmentFault("The service could not start; the log says why.")


def _run_several(config: uvicorn.Config, bound: socket.socket) -> None:
    from uvicorn.supervisors import Multiprocess

    from penchant.serving.app.logs import log_in_lines

    log_in_lines(log_requests=True)  # a worker that died is told of here
    Multiprocess(config, sockets=[bound]).run()


@contextmanager
def _shared_figures(num_workers: int) -> Iterator[None]:
    """Give several workers a folder in which their figures come together."""
    if num_workers == 1:
        yield
        return
    folder = tempfile.mkdtemp(prefix="penchant-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        shutil.rmtree(folder, ignore_errors=True)
