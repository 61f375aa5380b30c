"""What turn detection makes of recordings: `python bench/turn_eval.py DIR_OF_WAVS [--live [--text]]`.

Without `--live`, the default engine alone: P(complete) after 96 and after 200 ms of silence, at the pauses inside each
recording and at its end. With `--live`, the real server over gRPC, all recordings at once, each at the pace it was
spoken: how long after the onset and after the end of speech the events reach the client; with `--text` the client
answers each eager end of turn with a whole text, as a recogniser would at the end of a turn. Recordings: mono PCM16
WAV, one turn each.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import grpc.aio
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2 as pb

from services.common.server import Server
from services.turn.engines.silero import SileroSmartTurn
from services.turn.gate import Change, SpeechGate
from services.turn.servicer import GRPC_NAME, TurnService
from services.turn.settings import TurnSettings

CHUNK_MS = 20
LEAD_MS, TAIL_MS = 500, 3600
WHOLE_TEXT = pb.HypothesisUpdate(text="that's all", is_final=True, has_grammar=True, matches_grammar=True)


class Recording(NamedTuple):
    """One turn as recorded, with silence around it."""

    name: str
    rate_hz: int
    pcm: bytes

    def chunks(self) -> list[bytes]:
        """Return the audio as a caller sends it."""
        size = self.rate_hz * CHUNK_MS // 1000 * 2
        return [self.pcm[at : at + size] for at in range(0, len(self.pcm), size)]


def load(folder: Path) -> list[Recording]:
    recordings = []
    for path in sorted(folder.glob("*.wav")):
        with wave.open(str(path)) as reader:
            rate_hz, pcm = reader.getframerate(), reader.readframes(reader.getnframes())
        silence = bytes(rate_hz * 2 // 1000)
        recordings.append(Recording(path.stem, rate_hz, silence * LEAD_MS + pcm + silence * TAIL_MS))
    return recordings


async def pauses(engine: SileroSmartTurn, recording: Recording) -> list[tuple[float, float, float]]:
    """Return (end of speech in ms, P after 96 ms, P after 200 ms) of every pause that lasted 200 ms."""
    stream = engine.open(recording.rate_hz)
    gate = SpeechGate(engine.capabilities.gate, 0.5)
    onset_ms: float | None = None
    found: list[tuple[float, float, float]] = []
    early = -1.0
    for chunk in recording.chunks():
        for start_ms, end_ms, probability in (await stream.hear(chunk)).frames:
            change = gate.step(start_ms, end_ms, probability)
            if change is Change.STARTED:
                onset_ms = gate.onset_ms if onset_ms is None else onset_ms
                early = -1.0
            elif change is Change.STOPPED:
                answer = await stream.judge(onset_ms or 0.0)
                early = answer.probability if answer else -1.0
            elif early >= 0 and not gate.in_speech and end_ms - gate.end_ms >= 200:
                answer = await stream.judge(onset_ms or 0.0)
                found.append((gate.end_ms - LEAD_MS, early, answer.probability if answer else -1.0))
                early = -1.0
    stream.close()
    return found


async def offline(recordings: list[Recording]) -> None:
    engine = SileroSmartTurn(TurnSettings())
    await engine.start()
    inside: list[float] = []
    ends: list[float] = []
    print(f"{'recording':<28} {'pauses inside: at ms P96/P200':<60} end: P96/P200")
    for recording in recordings:
        found = await pauses(engine, recording)
        if not found:
            print(f"{recording.name:<28} no speech found")
            continue
        texts = [f"{at:.0f} {early:.2f}/{late:.2f}" for at, early, late in found]
        print(f"{recording.name:<28} {', '.join(texts[:-1]) or '-':<60} {texts[-1]}")
        inside += [late for _, _, late in found[:-1]]
        ends += [late for *_, late in found[-1:]]
    await engine.close()
    for name, values in (("pauses inside", inside), ("ends", ends)):
        print(f"{name}: {sum(value >= 0.5 for value in values)} of {len(values)} sound complete (P >= 0.5 at 200 ms)")


class Lag(NamedTuple):
    """How long after what it tells of an event reached the client, in ms."""

    kind: str
    ms: float


async def stream_live(
    channel: grpc.aio.Channel, recording: Recording, *, with_text: bool
) -> tuple[list[str], list[Lag]]:
    detect = channel.stream_stream(
        f"/{GRPC_NAME}/Detect", pb.DetectRequest.SerializeToString, pb.DetectResponse.FromString
    )
    outgoing: asyncio.Queue[pb.DetectRequest] = asyncio.Queue()
    began_s = 0.0

    async def requests() -> AsyncIterator[pb.DetectRequest]:
        nonlocal began_s
        audio_format = common_pb2.AudioFormat(
            sample_rate_hz=recording.rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE
        )
        yield pb.DetectRequest(config=pb.DetectConfig(format=audio_format))
        began_s = time.perf_counter()
        for index, chunk in enumerate(recording.chunks(), 1):
            await asyncio.sleep(began_s + index * CHUNK_MS / 1000 - time.perf_counter())
            yield pb.DetectRequest(audio=[chunk])
            while not outgoing.empty():
                yield outgoing.get_nowait()
        yield pb.DetectRequest(finish=common_pb2.FinishInput())

    told: list[str] = []
    lags: list[Lag] = []
    async for response in detect(requests()):
        kind = response.WhichOneof("event")
        now_ms = (time.perf_counter() - began_s) * 1000
        if kind == "speech_started":
            lags.append(Lag(kind, now_ms - response.speech_started.onset_ms))
            told.append(f"start {response.speech_started.onset_ms - LEAD_MS}")
        elif kind in ("eager_end_of_turn", "end_of_turn"):
            event = getattr(response, kind)
            lags.append(Lag(kind, now_ms - event.speech_end_ms))
            after_ms = response.audio_offset_ms - event.speech_end_ms
            told.append(f"{'eager' if kind[1] == 'a' else 'END'} +{after_ms} (P {event.probability:.2f})")
            if with_text and kind == "eager_end_of_turn":
                outgoing.put_nowait(pb.DetectRequest(hypothesis=WHOLE_TEXT))
        elif kind == "speech_stopped":
            told.append(f"stop {response.speech_stopped.end_ms - LEAD_MS}")
        elif kind == "turn_resumed":
            told.append("resumed")
    return told, lags


async def live(recordings: list[Recording], *, with_text: bool) -> None:
    settings = TurnSettings(port=0, log_level="WARNING")
    server = Server(TurnService(settings), settings)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            results = await asyncio.gather(
                *(stream_live(channel, recording, with_text=with_text) for recording in recordings)
            )
    finally:
        await server.stop()
    lags: dict[str, list[float]] = {}
    for recording, (told, found) in zip(recordings, results, strict=True):
        print(f"{recording.name}: {'; '.join(told)}")
        for lag in found:
            lags.setdefault(lag.kind, []).append(lag.ms)
    for kind, values in lags.items():
        ordered = sorted(values)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        print(f"{kind}: n {len(ordered)}, reached the client p50 {statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--live", action="store_true", help="over gRPC, at the pace it was spoken")
    parser.add_argument(
        "--text", action="store_true", help="with --live: answer each eager end with a whole final text"
    )
    args = parser.parse_args()
    recordings = load(args.folder)
    if not recordings:
        parser.error(f"no .wav in {args.folder}")
    asyncio.run(live(recordings, with_text=args.text) if args.live else offline(recordings))


if __name__ == "__main__":
    main()
