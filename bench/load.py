"""Callers in a process of their own: `python -m bench.load --target HOST:PORT --echo HOST:PORT ...`.

They talk at the pace of real time, by a seed: who says what when, who speaks over the agent, who hangs up in the middle
of what, whose packets come late (bench/rhythm.py, bench/crowd.py). The process shares the machine with what it
measures, so it is as cheap as grpc.aio allows: messages are serialised beforehand, responses are told apart by their
first byte and parsed only where that tells something. Writes one JSON object a line: {"at": "up"} before the first
call, {"at": "steady"} when all calls are up and warm, {"at": "end"} when the steady part is over, then the result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args

import grpc
import grpc.aio
import uvloop
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from bench.crowd import Lateness, Manners, Visit, visits
from bench.echo import METHOD as ECHO
from bench.rhythm import END_FRAMES, FRAME_MS, Habits, Kind
from bench.tally import Account, Tally
from parley.rpc import TrueStatus
from services.common import spans
from services.common.spans import LINE_NAMES
from services.common.wire import encode_audio

CONVERSE = "/voice.orchestrator.v1.VoiceAgent/Converse"
RATE_HZ = 16000
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
SPEECH = encode_audio(b"\x10\x01" * (FRAME_BYTES // 2))
SILENCE = encode_audio(bytes(FRAME_BYTES))
END = pb.ConverseRequest(end=pb.EndConversation()).SerializeToString()
CALLS_A_CONNECTION = 10
RAMP_S = 0.03
ECHO_EVERY_S = 0.05
PROGRESS_S = 0.2
PARTING_S = 3.0
"""How long the agent may take to let a polite caller go."""
_EVENT_OF = {
    number << 3 | 2: name
    for name, number in ((f.name, f.number) for f in pb.ConverseResponse.DESCRIPTOR.fields)
}  # fmt: skip
_AUDIO = next(tag for tag, name in _EVENT_OF.items() if name == "audio")
_AFTER_COMMIT = frozenset(LINE_NAMES[LINE_NAMES.index(spans.COMMIT) + 1 :]) - {spans.TRANSIT_OUT}
_FATAL = {"error", "ended", "going_away"}
_SILENCING = {"pause_playback", "clear_playback"}


class Call:
    """One call: a task that sends frames in real time, another that reads."""

    def __init__(self, stream: Any, tally: Tally, sends_progress: bool) -> None:
        self._stream = stream
        self.status = TrueStatus(stream)
        self._tally = tally
        self._account = Account(tally)
        self._sends_progress = sends_progress
        self._playing: tuple[int, float] | None = None
        self._is_leaving = False

    async def start(self) -> None:
        """Place the call and wait until it is up. Raises AioRpcError where it is refused."""
        start = pb.StartConversation(
            agent="bench",
            format=common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE),
            sends_playback_progress=self._sends_progress,
        )
        await self._stream.write(pb.ConverseRequest(start=start).SerializeToString())
        raw = await self._stream.read()
        if raw is grpc.aio.EOF or not pb.ConverseResponse.FromString(raw).HasField("started"):
            raise RuntimeError(f"the call did not start: {raw!r}")

    async def hold(self, visit: Visit, phase_s: float) -> None:
        """Talk and listen until the caller hangs up. Raises where the other side ends the call first."""
        listening = asyncio.create_task(self._listen(), name="listen")
        speaking = asyncio.create_task(self._speak(visit, phase_s), name="speak")
        try:
            done, _ = await asyncio.wait({listening, speaking}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if listening in done:
                raise RuntimeError("the call ended by itself")
            if visit.is_polite:
                self._is_leaving = True
                await self._stream.write(END)
                async with asyncio.timeout(PARTING_S):
                    await listening
        finally:
            self._stream.cancel()
            for task in (listening, speaking):
                task.cancel()
            await asyncio.gather(listening, speaking, return_exceptions=True)

    async def _speak(self, visit: Visit, phase_s: float) -> None:
        loop = asyncio.get_running_loop()
        write, tally, account = self._stream.write, self._tally, self._account
        now_s = loop.time()
        due_s = now_s + (phase_s - now_s) % (FRAME_MS / 1000)
        for number, (kind, late_ms) in enumerate(zip(visit.frames, visit.late_ms, strict=False)):
            wait_s = due_s + late_ms / 1000 - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            raw = SPEECH if kind in (Kind.SPEECH, Kind.BARGE_IN) else SILENCE
            account.sends(kind, time.perf_counter())
            await write(raw)
            if tally.is_steady:
                tally.sent += 1
                if number % 10 == 0:
                    tally.late_ms.append((loop.time() - due_s) * 1000 - late_ms)
            if self._sends_progress and number % (round(PROGRESS_S * 1000) // FRAME_MS) == 0:
                await self._acknowledge()
            due_s += FRAME_MS / 1000

    async def _acknowledge(self) -> None:
        if self._playing is not None:
            epoch, began_s = self._playing
            played_ms = round((time.perf_counter() - began_s) * 1000)
            progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=played_ms)
            await self._stream.write(pb.ConverseRequest(playback_progress=progress).SerializeToString())

    async def _listen(self) -> None:
        """Read all responses; note the first audio after each turn."""
        read, tally, account = self._stream.read, self._tally, self._account
        while (raw := await read()) is not grpc.aio.EOF:
            if raw[0] == _AUDIO:
                if account.hears(time.perf_counter()) and self._sends_progress:
                    self._playing = (pb.ConverseResponse.FromString(raw).audio.turn_epoch, time.perf_counter())
                if tally.is_steady:
                    tally.events["audio"] += 1
                continue
            name = _EVENT_OF.get(raw[0], "unknown")
            if name in _SILENCING:
                account.is_told_to_stop(time.perf_counter())
            if tally.is_steady:
                tally.events[name] += 1
            if name == "turn_summary":
                self._playing = None
                if tally.is_steady:
                    self._note(pb.ConverseResponse.FromString(raw).turn_summary)
            elif name in _FATAL and not (self._is_leaving and name == "ended"):
                raise RuntimeError(str(pb.ConverseResponse.FromString(raw)).strip()[:300])

    def _note(self, summary: pb.TurnSummary) -> None:
        self._tally.interrupted += summary.interrupted
        for hop in summary.hops:
            self._tally.hops_ms.setdefault(hop.name, []).append((hop.duration_ms, hop.server_ms))
        if summary.response_ms:
            self._tally.answers.append(
                {
                    "response_ms": sum(hop.duration_ms for hop in summary.hops),
                    "commit_to_audio_ms": sum(hop.duration_ms for hop in summary.hops if hop.name in _AFTER_COMMIT),
                    "is_hit": summary.speculated,
                    "hidden_ms": summary.hidden_ms,
                }
            )


async def live(
    open_stream: Callable[[], Any], tally: Tally, plan: Iterator[Visit], phase_s: float, progress: bool
) -> None:
    """Be a caller: call, hang up, call again. Whatever breaks a call is noted, and the caller calls again."""
    for visit in plan:
        call = Call(open_stream(), tally, progress)
        tally.calls["placed"] += 1
        try:
            await call.start()
            await call.hold(visit, phase_s)
            tally.calls["hung_up"] += 1
        except grpc.aio.AioRpcError as error:
            true = await call.status.of(error)
            if true is None:
                tally.failures.append("the call ended by itself")
            elif true.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                tally.calls["refused"] += 1
            else:
                tally.failures.append(f"{true.code().name}: {true.details()}"[:300])
        except (RuntimeError, TimeoutError, asyncio.InvalidStateError) as error:
            tally.failures.append(f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(visit.rest_s)


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
    """Hold the calls and tell the result."""
    tell({"at": "up"})
    tally = Tally()
    count: int = options.calls
    manners = Manners(
        Habits(options.reply_ms, options.barge_ins, options.end_frames), options.hang_ups, options.lateness
    )
    connections = -(-count // CALLS_A_CONNECTION)
    own_pool = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(options.target, options=own_pool) for _ in range(connections)]
    methods: list[Any] = [channel.stream_stream(CONVERSE) for channel in channels]
    tasks = [asyncio.create_task(probe_echo(options.echo, tally), name="echo")]
    for number in range(count):
        plan = visits(options.seed * 1000 + number, manners)
        phase_s = number * FRAME_MS / count / 1000
        caller = live(methods[number % connections], tally, plan, phase_s, options.progress)
        tasks.append(asyncio.create_task(caller, name=f"caller-{number}"))
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
    tell(tally.result())
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
    parser.add_argument("--barge-ins", type=float, default=0.0, metavar="SHARE", help="answers that are spoken over")
    parser.add_argument("--end-frames", type=int, default=END_FRAMES, help="silent frames that end a turn")
    parser.add_argument("--hang-ups", action="store_true", help="hang up after 8 to 25 s and call again")
    parser.add_argument("--lateness", choices=get_args(Lateness), default="none", help="how packets are late")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(run(_parse(), lambda said: print(json.dumps(said), flush=True)))
