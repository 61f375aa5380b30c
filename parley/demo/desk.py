"""The tool server of the demo: a calendar in memory behind a small HTTP server. It starts the same in each run.

POST /check_availability and /book_appointment take {"call_id", "name", "arguments", "session_id"}, as the orchestrator
sends it, and answer a JSON object.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MAX_BODY_BYTES = 64 * 1024
TAKEN = frozenset({("monday", "09:00"), ("tuesday", "11:00"), ("friday", "14:30")})
DESK_TIMES = tuple(f"{hour:02d}:{minute:02d}" for hour in range(8, 18) for minute in (0, 30))
ALTERNATIVES = 2
FIRST_REFERENCE = 1041


@dataclass(frozen=True, slots=True)
class DeskCall:
    """One call of a tool, as it arrived."""

    name: str
    arguments: dict[str, Any]


class Calendar:
    """What is booked, by weekday and time (HH:MM). Three times are taken from the start."""

    def __init__(self) -> None:
        self._booked = set(TAKEN)

    def check_availability(self, day: str, time: str) -> dict[str, Any]:
        """Tell whether a time is free, and the two free times nearest to it where it is not."""
        if self._is_free(day, time):
            return {"available": True}
        free = [other for other in DESK_TIMES if self._is_free(day, other)]
        nearest = sorted(free, key=lambda other: abs(_minutes(other) - _minutes(time)))[:ALTERNATIVES]
        return {"available": False, "alternatives": sorted(nearest)}

    def book_appointment(self, day: str, time: str, name: str, treatment: str = "") -> dict[str, Any]:
        """Book a free time and return its reference. Raises ValueError for a time that is not free."""
        if not self._is_free(day, time):
            raise ValueError(f"{day} at {time} is not free")
        self._booked.add((day, time))
        return {"reference": f"WD-{FIRST_REFERENCE + len(self._booked) - len(TAKEN)}", "name": name}

    def _is_free(self, day: str, time: str) -> bool:
        return (day, time) not in self._booked and DESK_TIMES[0] <= time <= DESK_TIMES[-1] and day != "sunday"


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


class Desk:
    """Serves a calendar of its own on a free port, in a thread, for as long as the `with` lasts."""

    def __init__(self, looking_s: float = 0.0) -> None:
        """Make a desk. `looking_s`: how long it takes to see what is free, as with a calendar that is far away."""
        calendar = Calendar()
        self._takes_s = {"check_availability": looking_s}
        self._tools: dict[str, Callable[..., dict[str, Any]]] = {
            "check_availability": calendar.check_availability,
            "book_appointment": calendar.book_appointment,
        }
        self._lock = threading.Lock()
        self._calls: list[DeskCall] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="desk", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def calls(self) -> list[DeskCall]:
        """The calls so far, in order."""
        with self._lock:
            return list(self._calls)

    def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run a tool. Raises KeyError for an unknown one and TypeError for arguments it does not take."""
        with self._lock:
            tool = self._tools[name]
            self._calls.append(DeskCall(name, arguments))
            answer = tool(**arguments)
        time.sleep(self._takes_s.get(name, 0.0))
        return answer


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if size > MAX_BODY_BYTES:
                self.close_connection = True
                self._answer(413, {"error": f"at most {MAX_BODY_BYTES} bytes"})
                return
            body = self.rfile.read(size)
            try:
                arguments = json.loads(body)["arguments"]
                self._answer(200, desk.call(self.path.strip("/"), arguments))
            except KeyError as error:
                self._answer(404, {"error": f"no tool or field {error}"})
            except (ValueError, TypeError) as error:
                self._answer(400, {"error": str(error)})

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server calls
            """Keep quiet: what was asked for is shown as the conversation's tool calls."""

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
