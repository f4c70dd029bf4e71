"""A file server on this machine that can do Range, break off, and be busy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class FileServer:
    """What is served, how it misbehaves, and what was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: str | None = '"one"'
    breaks: list[int] = field(default_factory=list)
    """For each coming answer, after how many bytes the connection breaks."""
    statuses: list[int] = field(default_factory=list)
    """For each coming answer, the status instead of the file."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""


class _Handler(BaseHTTPRequestHandler):
    told: FileServer

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.told.asked.append((self.path, wanted))
        if self.told.statuses and (status := self.told.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        whole = self.told.files.get(self.path)
        if whole is None:
            self.send_error(404)
            return
        start, status = 0, 200
        fresh = self.headers["If-Range"] in (None, self.told.etag)
        if wanted and self.told.ranges and fresh:
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(whole):
                self.send_error(416)
                return
        body = whole[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.told.etag:
            self.send_header("ETag", self.told.etag)
        self.end_headers()
        if self.told.breaks:
            body = body[: self.told.breaks.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    """Serve files from memory on a free port."""
    told = FileServer()
    handler = type("Handler", (_Handler,), {"told": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        told.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        server.shutdown()
        thread.join()
