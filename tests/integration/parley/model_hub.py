"""A server on the loopback that answers as the Hugging Face Hub does, and breaks off or lies when told to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from parley.models.catalogue import Model, PinnedFile

REPOSITORY = "acme/tiny-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 10_000
"""From this size on a file is "large": the hub names it by its SHA-256."""


class HubServer(ThreadingHTTPServer):
    """One repository at one commit, which is also `main`. What it was asked for stands in `asked`."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.commit = COMMIT
        self.asked: list[tuple[str, str]] = []
        """Path and Range header of each file asked for."""
        self.tokens: list[str | None] = []
        self.cut_after: int | None = None
        """Bytes of a body after which the connection breaks; from then on the answer is 503."""
        self.is_down = False
        self.flips = False
        """Whether a bit of every file is wrong on the way."""
        self.ignores_ranges = False

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def info(self) -> dict[str, Any]:
        """Return what the hub says about the commit."""
        return {"id": REPOSITORY, "sha": self.commit, "siblings": [_sibling(name) | _blob(data) for name, data in
                                                                  self.files.items()]}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.tokens.append(self.headers.get("Authorization"))
        if self.server.is_down:
            self._answer(503, b"down")
        elif path in (f"/api/models/{REPOSITORY}/revision/{revision}" for revision in ("main", self.server.commit)):
            self._answer(200, json.dumps(self.server.info()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/{REPOSITORY}/resolve/{self.server.commit}/"):
            self._file(path.split("/", 5)[5])
        elif path.startswith(f"/api/models/{REPOSITORY}/"):
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _file(self, name: str) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append((name, wanted))
        data = self.server.files[name]
        if self.server.flips:
            data = bytes([data[0] ^ 1]) + data[1:]
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": self.server.commit}
        if not wanted or self.server.ignores_ranges:
            self._answer(200, data, headers)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self._answer(206, data[start:], headers | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cut_after
        if cut is not None and status < 300 and len(body) > cut and b"siblings" not in body:
            self.wfile.write(body[:cut])
            self.server.is_down = True
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


def model(files: dict[str, bytes], *, revision: str = COMMIT, pins: dict[str, str] | None = None) -> Model:
    """Return a catalogue entry of these files, with SHA-256 pins for some."""
    pinned = tuple(PinnedFile(name, len(data), (pins or {}).get(name)) for name, data in files.items())
    return Model("tiny", "asr", "faster-whisper", "for tests", "MIT", pinned, repository=REPOSITORY, revision=revision)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[HubServer]:
    """Serve `files` while the block runs."""
    with HubServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def _sibling(name: str) -> dict[str, Any]:
    return {"rfilename": name}


def _blob(data: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    entry: dict[str, Any] = {"size": len(data), "blobId": blob}
    if len(data) >= LARGE_BYTES:
        entry["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
    return entry
