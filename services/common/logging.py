"""Structured logs that carry session, turn and trace, and never what was said."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from services.common.telemetry import trace_ids

session_id: ContextVar[str] = ContextVar("session_id", default="")
turn_epoch: ContextVar[int | Callable[[], int] | None] = ContextVar("turn_epoch", default=None)
"""The turn, or how to ask for it: a call's many tasks each have a copy of this, and the turn moves on under them."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (ids := trace_ids()) is not None:
            head |= {"trace_id": ids[0], "span_id": ids[1]}
        entry: dict[str, Any] = head | _fields(record) | head
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _TextFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {service} %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={_one_line(value)}" for key, value in _fields(record).items())
        head, *trace = super().format(record).split("\n")
        return "\n".join([f"{head} {fields}".rstrip(), *trace])


def _one_line(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
    if session := session_id.get():
        fields.setdefault("session_id", session)
    if (turn := turn_epoch.get()) is not None:
        fields.setdefault("turn_epoch", turn() if callable(turn) else turn)
    return fields


def setup_logging(service: str, level: str, style: str) -> None:
    """Send the process's logs to standard error, one entry a line, as JSON or as text.

    DEBUG is for Parley's own loggers. Of other packages, INFO is the least: what they write below it buries the rest
    (gRPC: hundreds of lines a call) and may hold what was said, or a key.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(service) if style == "json" else _TextFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.getLogger("services").setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it names the address of every request
