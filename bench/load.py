"""Callers of the orchestration measurement, in a process of their own: `python -m bench.load --target HOST:PORT ...`.

It shares the machine with what it measures, so it is as cheap as grpc.aio allows: messages are serialised beforehand,
responses are told apart by their first byte and not parsed. Writes one JSON object a line: {"at": "steady"} when all
calls are up and warm, {"at": "end"} when the steady part is over, then the result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import uvloop
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from bench.echo import METHOD as ECHO
from bench.rhythm import FRAME_MS, Kind, rhythm
from services.common.wire import encode_audio

CONVERSE = "/voice.orchestrator.v1.VoiceAgent/Converse"
RATE_HZ = 16000
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
SPEECH = encode_audio(b"\x10\x01" * (FRAME_BYTES // 2))
SILENCE = encode_audio(bytes(FRAME_BYTES))
CALLS_A_CONNECTION = 10
RAMP_S = 0.03
ECHO_EVERY_S = 0.05
ANSWER_S = 2.0
PROGRESS_S = 0.2
_EVENT_OF = {
    number << 3 | 2: name
    for name, number in ((f.name, f.number) for f in pb.ConverseResponse.DESCRIPTOR.fields)
}  # fmt: skip
_AUDIO = next(tag for tag, name in _EVENT_OF.items() if name == "audio")
_FATAL = {"error", "ended", "going_away"}


@dataclass(slots=True)
class Tally:
    """What all callers saw during the steady part."""

    is_steady: bool = False
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: {"series": [], "ready": []})
    late_ms: list[float] = field(default_factory=list)
    echo_ms: list[float] = field(default_factory=list)
    sent: int = 0
    events: Counter[str] = field(default_factory=Counter)
    hops_ms: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By hop, as the turn summaries tell them: (duration, of that the stage's server)."""
    unanswered: int = 0
    interrupted: int = 0
    failures: list[str] = field(default_factory=list)


class Caller:
    """One call: a task that sends frames in real time, another that reads."""

    def __init__(self, stream: Any, tally: Tally, frames: Iterator[Kind], sends_progress: bool) -> None:
        self._stream = stream
        self._tally = tally
        self._frames = frames
        self._sends_progress = sends_progress
        self._asked: tuple[float, str] | None = None
        self._playing: tuple[int, float] | None = None

    async def start(self) -> None:
        """Place the call and wait until it is up."""
        start = pb.StartConversation(
            agent="bench",
            format=common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE),
            sends_playback_progress=self._sends_progress,
        )
        await self._stream.write(pb.ConverseRequest(start=start).SerializeToString())
        first = pb.ConverseResponse.FromString(await self._stream.read())
        if not first.HasField("started"):
            raise RuntimeError(f"the call did not start: {first}")

    async def speak(self, phase_s: float) -> None:
        """Send a frame every 20 ms, from `phase_s` on."""
        loop = asyncio.get_running_loop()
        write, tally = self._stream.write, self._tally
        due_s = loop.time() + phase_s
        for number, kind in enumerate(self._frames):
            wait_s = due_s - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if kind is Kind.SPEECH:
                self._expect_silence()
                raw = SPEECH
            else:
                raw = SILENCE
                if kind is not Kind.SILENCE:
                    self._asked = (time.perf_counter(), kind.value)
            await write(raw)
            if tally.is_steady:
                tally.sent += 1
                if number % 10 == 0:
                    tally.late_ms.append((loop.time() - due_s) * 1000)
            if self._sends_progress and number % (round(PROGRESS_S * 1000) // FRAME_MS) == 0:
                await self._acknowledge()
            due_s += FRAME_MS / 1000

    def _expect_silence(self) -> None:
        """Note that the next turn begins: an answer that has not come by now does not come."""
        if self._asked is not None:
            self._asked = None
            self._tally.unanswered += self._tally.is_steady

    async def _acknowledge(self) -> None:
        if self._playing is not None:
            epoch, began_s = self._playing
            played_ms = round((time.perf_counter() - began_s) * 1000)
            progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=played_ms)
            await self._stream.write(pb.ConverseRequest(playback_progress=progress).SerializeToString())

    async def listen(self) -> None:
        """Read all responses; note the first audio after each turn."""
        read, tally = self._stream.read, self._tally
        while (raw := await read()) is not grpc.aio.EOF:
            if raw[0] == _AUDIO:
                if self._asked is not None:
                    sent_s, kind = self._asked
                    self._asked = None
                    if tally.is_steady:
                        tally.latency_ms[kind].append((time.perf_counter() - sent_s) * 1000)
                    if self._sends_progress:
                        self._playing = (pb.ConverseResponse.FromString(raw).audio.turn_epoch, time.perf_counter())
                if tally.is_steady:
                    tally.events["audio"] += 1
                continue
            name = _EVENT_OF.get(raw[0], "unknown")
            if tally.is_steady:
                tally.events[name] += 1
            if name == "turn_summary":
                self._playing = None
                if tally.is_steady:
                    self._note(pb.ConverseResponse.FromString(raw).turn_summary)
            elif name in _FATAL:
                tally.failures.append(str(pb.ConverseResponse.FromString(raw)).strip()[:300])
        tally.failures.append("the call ended by itself")

    def _note(self, summary: pb.TurnSummary) -> None:
        self._tally.interrupted += summary.interrupted
        for hop in summary.hops:
            self._tally.hops_ms.setdefault(hop.name, []).append((hop.duration_ms, hop.server_ms))


async def probe_echo(target: str, tally: Tally) -> None:
    """Time a bare round trip now and then, from this very event loop: one grpc.aio hop on this machine, now."""
    async with grpc.aio.insecure_channel(target) as channel:
        stream: Any = channel.stream_stream(ECHO)()
        while True:
            began_s = time.perf_counter()
            await stream.write(SILENCE)
            await stream.read()
            if tally.is_steady:
                tally.echo_ms.append((time.perf_counter() - began_s) * 1000)
            await asyncio.sleep(ECHO_EVERY_S)


async def run(options: argparse.Namespace, tell: Callable[[dict[str, Any]], None]) -> None:
    """Hold the calls and tell the result. Raises where one cannot begin."""
    tally = Tally()
    count: int = options.calls
    connections = -(-count // CALLS_A_CONNECTION)
    own_pool = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(options.target, options=own_pool) for _ in range(connections)]
    methods: list[Any] = [channel.stream_stream(CONVERSE) for channel in channels]
    tasks = [asyncio.create_task(probe_echo(options.echo, tally), name="echo")]
    callers = []
    for number in range(count):
        frames = rhythm(options.seed * 1000 + number, options.reply_ms)
        caller = Caller(methods[number % connections](), tally, frames, options.progress)
        callers.append(caller)
        await caller.start()
        phase_s = (number * FRAME_MS / count - (number * RAMP_S * 1000)) % FRAME_MS / 1000
        tasks.append(asyncio.create_task(caller.speak(phase_s), name=f"speak-{number}"))
        tasks.append(asyncio.create_task(caller.listen(), name=f"listen-{number}"))
        await asyncio.sleep(RAMP_S)
    await asyncio.sleep(options.warm_up_s)
    tally.is_steady = True
    tell({"at": "steady"})
    await asyncio.sleep(options.steady_s)
    tally.is_steady = False
    tell({"at": "end"})
    broken = [task for task in tasks if task.done()]
    tally.failures += [f"{task.get_name()}: {task.exception()!r}" for task in broken if not task.cancelled()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tell(
        {
            "latency_ms": tally.latency_ms,
            "late_ms": tally.late_ms,
            "echo_ms": tally.echo_ms,
            "sent": tally.sent,
            "events": tally.events,
            "hops_ms": tally.hops_ms,
            "unanswered": tally.unanswered,
            "interrupted": tally.interrupted,
            "failures": tally.failures,
        }
    )
    for channel in channels:
        await channel.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="host:port of the orchestrator")
    parser.add_argument("--echo", required=True, help="host:port of bench.echo")
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--warm-up-s", type=float, default=6)
    parser.add_argument("--steady-s", type=float, default=20)
    parser.add_argument("--reply-ms", type=int, default=1600, help="how long the agent's answer lasts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--progress", action="store_true", help="acknowledge playback every 200 ms")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(run(_parse(), lambda said: print(json.dumps(said), flush=True)))
