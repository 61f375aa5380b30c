"""A worker process: decodes many streams, one thing at a time, and answers over one socket.

Messages are read before anything is decoded, so that a stream never waits for more than one slice of another's audio.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from services.asr.engines.sphinx.decoders import Models
from services.asr.engines.sphinx.gate import BYTES_PER_MS
from services.asr.engines.sphinx.hearing import Heard, Hearing
from services.asr.engines.sphinx.reading import Term
from services.asr.engines.sphinx.wire import HEADER, Kind, pack
from services.common.errors import InvalidInput

log = logging.getLogger(__name__)

SLICE_BYTES = 200 * BYTES_PER_MS
"""Audio decoded at a time: a few milliseconds of work, the longest another stream's answer waits."""
READ_BYTES = 1 << 18
LOOSEST_TERM = 0.45
"""How unlike a key term (share of its phones) a stretch of text may sound and still be taken for it, at boost 1."""
BEAT_S = 1.0
"""How often a worker that is behind with an answer says that it is alive."""
GENERAL_WAIT_S = 2.0
"""How long a final answer waits for the general decoder while another stream holds it; then it stands without."""


@dataclass(slots=True)
class _Stream:
    hearing: Hearing
    busy_s: float = 0.0
    waiting_since_s: float | None = None


@dataclass(slots=True)
class Worker:
    """Serves one socket until it closes."""

    models: Models
    link: socket.socket
    streams: dict[int, _Stream] = field(default_factory=dict)
    _unread: bytes = b""
    _turn: deque[int] = field(default_factory=deque)
    _finals: deque[int] = field(default_factory=deque)
    _beat_s: float = 0.0

    def run(self) -> None:
        """Read, decode, answer; return once the engine has gone."""
        self.link.setblocking(False)
        is_idle = True
        while True:
            readable, _, _ = select.select([self.link], [], [], None if is_idle else 0)
            if readable and not self._read():
                return
            self._retry_finals()
            is_idle = not self._decode_one() and not self._finals

    # --- messages -----------------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        data = self.link.recv(READ_BYTES)
        if not data:
            return False
        self._unread += data
        at = 0
        while len(self._unread) - at >= HEADER.size:
            length, kind, number = HEADER.unpack_from(self._unread, at)
            end = at + HEADER.size + length
            if end > len(self._unread):
                break
            self._handle(Kind(kind), number, self._unread[at + HEADER.size : end])
            at = end
        self._unread = self._unread[at:]
        return True

    def _handle(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind is Kind.OPEN:
            self._open(number, payload)
            return
        stream = self.streams.get(number)
        if stream is None:  # it was lost: nobody may wait for it
            if kind in (Kind.PARTIAL, Kind.FINALIZE):
                self._send(Kind.FAULT, number, b"the stream is lost")
            return
        try:
            self._serve(kind, number, stream, payload)
        except Exception as error:  # one stream's fault must not take the others along
            self._lose(number, stream, error)

    def _lose(self, number: int, stream: _Stream, error: Exception) -> None:
        log.error("a recognition stream failed", exc_info=error)
        del self.streams[number]
        self._send(Kind.FAULT, number, type(error).__name__.encode())
        stream.hearing.close()

    def _serve(self, kind: Kind, number: int, stream: _Stream, payload: bytes) -> None:
        began_s = time.perf_counter()
        match kind:
            case Kind.AUDIO:
                stream.hearing.accept(payload)
            case Kind.PARTIAL:
                self._catch_up(stream)
                self._answer(number, stream, stream.hearing.partial(), began_s)
            case Kind.FINALIZE:
                self._finalize(number, stream)
            case Kind.RESET:
                stream.hearing.reset()
            case Kind.CLOSE:
                stream.hearing.close()
                del self.streams[number]
        stream.busy_s += time.perf_counter() - began_s

    def _open(self, number: int, payload: bytes) -> None:
        try:
            asked = json.loads(payload)
            grammar = self.models.grammar(asked["grammar"]) if asked["grammar"] else None
            terms = tuple(self._term(term["text"], term["boost"]) for term in asked["terms"])
            self.streams[number] = _Stream(Hearing(self.models, grammar, terms))
        except InvalidInput as error:
            self._send(Kind.REFUSED, number, str(error).encode())
            return
        self._turn.append(number)
        self._send(Kind.OPENED, number)

    def _term(self, text: str, boost: float) -> Term:
        words = tuple(text.lower().split())
        return Term(words, self.models.term_phones(words), LOOSEST_TERM * boost)

    # --- decoding -----------------------------------------------------------------------------------------------------

    def _catch_up(self, stream: _Stream) -> None:
        """Decode what a stream has waiting, a slice more than a partial's worth at most."""
        for _ in range(2):
            if not stream.hearing.decode(SLICE_BYTES):
                return

    def _decode_one(self) -> bool:
        """Decode one slice of the stream whose turn it is. Returns whether anything more may be waiting."""
        for spare in (False, True):
            for _ in range(len(self._turn)):
                number = self._turn[0]
                self._turn.rotate(-1)
                stream = self.streams.get(number)
                if stream is None:
                    self._turn.remove(number)
                    continue
                if self._slice(number, stream, spare=spare):
                    return True
        return False

    def _slice(self, number: int, stream: _Stream, *, spare: bool) -> bool:
        began_s = time.perf_counter()
        try:
            hearing = stream.hearing
            return hearing.decode_spare(SLICE_BYTES) if spare else hearing.decode(SLICE_BYTES)
        except Exception as error:  # as in `_handle`
            self._lose(number, stream, error)
            return True
        finally:
            stream.busy_s += time.perf_counter() - began_s

    # --- answers ------------------------------------------------------------------------------------------------------

    def _finalize(self, number: int, stream: _Stream) -> None:
        began_s = time.perf_counter()
        if stream.hearing.decode(SLICE_BYTES):  # behind by more than a slice: the others get their turn in between
            stream.waiting_since_s = stream.waiting_since_s or began_s
            if number not in self._finals:
                self._finals.append(number)
            return
        heard = stream.hearing.finalize()
        if heard is not None:
            self._answer(number, stream, heard, stream.waiting_since_s or began_s)
            stream.waiting_since_s = None
            return
        stream.waiting_since_s = stream.waiting_since_s or began_s
        if began_s - stream.waiting_since_s > GENERAL_WAIT_S:
            self._answer(number, stream, stream.hearing.partial(), stream.waiting_since_s)
            stream.waiting_since_s = None
        elif number not in self._finals:
            self._finals.append(number)

    def _retry_finals(self) -> None:
        if self._finals and time.perf_counter() - self._beat_s > BEAT_S:
            self._beat_s = time.perf_counter()
            self._send(Kind.BEAT, 0)
        for _ in range(len(self._finals)):
            number = self._finals.popleft()
            stream = self.streams.get(number)
            if stream is not None:
                self._finalize(number, stream)

    def _answer(self, number: int, stream: _Stream, heard: Heard, began_s: float) -> None:
        engine_ms = (time.perf_counter() - began_s) * 1000
        answer = {
            "words": [[word.text, round(word.start_ms), round(word.end_ms), word.confidence] for word in heard.words],
            "confidence": heard.confidence,
            "matches_grammar": heard.matches_grammar,
            "is_settled": heard.is_settled,
            "engine_ms": round(engine_ms, 3),
        }
        self._send(Kind.HEARD, number, json.dumps(answer).encode())

    def _send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        self.link.setblocking(True)
        self.link.sendall(pack(kind, number, payload))
        self.link.setblocking(False)
