"""What turn detection makes of recordings: `python bench/turn_eval.py [DIR_OF_WAVS] [--made] [--live [--text]]`.

Without `--live`, the default engine alone: P(complete) when speech stops and after 200 ms of silence, at the pauses
inside each recording and at its end, and how far the end of speech lies from the true one. With `--live`, the real
server over gRPC, six recordings at once, each at the pace it was spoken: how long after the onset and after the true
end of speech the events reach the client; with `--text` the client answers each eager end of turn with a whole text, as
a recogniser would at the end of a turn (and inside a sentence never would: every pause then ends the turn that can).
The true end is that of parley/measure.py, by energy alone. Recordings: mono PCM16 WAV, one turn each; `--made` adds 40
made with espeak-ng; `--noise` puts white noise under all of them, after the true end was taken.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import grpc.aio
import numpy as np
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2 as pb

from parley.measure import LatencyMeter
from services.common.audio import StreamResampler
from services.common.server import Server
from services.tts.engines.espeak_library import load_library
from services.turn.engines.silero import SileroSmartTurn
from services.turn.gate import Change, SpeechGate
from services.turn.servicer import GRPC_NAME, TurnService
from services.turn.settings import TurnSettings

CHUNK_MS = 20
AT_ONCE = 6
"""Live streams at a time: their turns would otherwise end together and wait for Smart Turn, as no calls do."""
LEAD_MS, TAIL_MS = 500, 3600
WHOLE_TEXT = pb.HypothesisUpdate(text="that's all", is_final=True, has_grammar=True, matches_grammar=True)
MADE_VOICES = {"gmw/en-US": 160, "gmw/en-US+f2": 175, "gmw/en": 175, "gmw/en+m4": 190, "gmw/en-GB-x-rp+f5": 150}
"""Voices of espeak-ng, with their words per minute."""
MADE_TEXTS = (
    "hello what are your opening hours",
    "i would like to book an appointment",
    "how much is a cleaning",
    "that is all thank you goodbye",
    "this is the last booth",
    "tomorrow at half past six",
    "my name is maria smith",
    "i am off",
)


class Recording(NamedTuple):
    """One turn as recorded, with silence around it."""

    name: str
    rate_hz: int
    pcm: bytes
    true_end_ms: float
    """Where its last speech ends, by parley/measure.py."""

    def chunks(self) -> list[bytes]:
        """Return the audio as a caller sends it."""
        size = self.rate_hz * CHUNK_MS // 1000 * 2
        return [self.pcm[at : at + size] for at in range(0, len(self.pcm), size)]


def as_recording(name: str, rate_hz: int, speech: bytes, noise_dbfs: float | None) -> Recording:
    silence = bytes(rate_hz * 2 // 1000)
    pcm = silence * LEAD_MS + speech + silence * TAIL_MS
    samples = len(pcm) // 2
    meter = LatencyMeter(rate_hz)
    meter.sent(pcm, samples)
    meter.agent_audio(0, samples)
    true_end_ms = samples * 1000 / rate_hz - (meter.voice_to_voice_ms(0) or 0.0)
    if noise_dbfs is not None:
        noise = np.random.default_rng(samples).standard_normal(samples) * 32768 * 10 ** (noise_dbfs / 20)
        pcm = np.clip(np.frombuffer(pcm, "<i2") + np.round(noise), -32768, 32767).astype("<i2").tobytes()
    return Recording(name, rate_hz, pcm, true_end_ms)


def load(folder: Path, noise_dbfs: float | None) -> list[Recording]:
    recordings = []
    for path in sorted(folder.glob("*.wav")):
        with wave.open(str(path)) as reader:
            rate_hz, pcm = reader.getframerate(), reader.readframes(reader.getnframes())
        recordings.append(as_recording(path.stem, rate_hz, pcm, noise_dbfs))
    return recordings


def make(noise_dbfs: float | None) -> list[Recording]:
    library = load_library()
    resampled = []
    for voice, pace in MADE_VOICES.items():
        for text in MADE_TEXTS:
            speech = library.speak(
                text, voice_file=voice, words_per_minute=pace, phonemes=False, should_stop=lambda _: False
            )
            pcm = StreamResampler(library.sample_rate_hz, 16000).process(speech.samples.tobytes(), last=True)
            resampled.append(as_recording(f"{voice}: {text}", 16000, pcm, noise_dbfs))
    return resampled


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    p5, p50, p95 = (ordered[round(share * (len(ordered) - 1))] for share in (0.05, 0.5, 0.95))
    return f"n {len(ordered)}, p5 {p5:.0f}, p50 {p50:.0f}, p95 {p95:.0f} ms"


async def pauses(engine: SileroSmartTurn, recording: Recording) -> list[tuple[float, float, float]]:
    """Return (end of speech in ms, P when speech stopped, P after 200 ms) of every pause that lasted 200 ms."""
    stream = engine.open(recording.rate_hz)
    gate = SpeechGate(engine.capabilities.gate, 0.5)
    onset_ms: float | None = None
    found: list[tuple[float, float, float]] = []
    early = -1.0
    for chunk in recording.chunks():
        for frame in (await stream.hear(chunk)).frames:
            change = gate.step(*frame)
            if change is Change.STARTED:
                onset_ms = gate.onset_ms if onset_ms is None else onset_ms
                early = -1.0
            elif change is Change.STOPPED:
                answer = await stream.judge(onset_ms or 0.0)
                early = answer.probability if answer else -1.0
            elif early >= 0 and not gate.in_speech and frame.end_ms - gate.end_ms >= 200:
                answer = await stream.judge(onset_ms or 0.0)
                found.append((gate.end_ms - LEAD_MS, early, answer.probability if answer else -1.0))
                early = -1.0
    stream.close()
    return found


async def offline(recordings: list[Recording]) -> None:
    engine = SileroSmartTurn(TurnSettings())
    await engine.start()
    inside: list[float] = []
    ends: list[tuple[float, float]] = []
    late_ms: list[float] = []
    print(f"{'recording':<28} {'pauses inside: at ms P at stop/P200':<60} end: P at stop/P200")
    for recording in recordings:
        found = await pauses(engine, recording)
        if not found:
            print(f"{recording.name:<28} no speech found")
            continue
        texts = [f"{at:.0f} {early:.2f}/{late:.2f}" for at, early, late in found]
        print(f"{recording.name:<28} {', '.join(texts[:-1]) or '-':<60} {texts[-1]}")
        inside += [late for _, _, late in found[:-1]]
        ends.append(found[-1][1:])
        late_ms.append(found[-1][0] + LEAD_MS - recording.true_end_ms)
    await engine.close()
    print(f"end of speech after the true one: {spread(late_ms)}")
    print(f"ends: {sum(early >= 0.5 for early, _ in ends)} of {len(ends)} sound complete when speech stops")
    for name, values in (("pauses inside", inside), ("ends", [late for _, late in ends])):
        print(f"{name}: {sum(value >= 0.5 for value in values)} of {len(values)} sound complete (P >= 0.5 at 200 ms)")


class Lag(NamedTuple):
    """How long after what it tells of an event reached the client, in ms: the onset, or the true end of speech."""

    kind: str
    ms: float
    audio_ms: float
    """How much audio had been examined when it arose."""


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
            lags.append(Lag(kind, now_ms - response.speech_started.onset_ms, response.audio_offset_ms))
            told.append(f"start {response.speech_started.onset_ms - LEAD_MS}")
        elif kind in ("eager_end_of_turn", "end_of_turn"):
            event = getattr(response, kind)
            lags.append(Lag(kind, now_ms - recording.true_end_ms, response.audio_offset_ms))
            after_ms = response.audio_offset_ms - event.speech_end_ms
            told.append(f"{'eager' if kind[1] == 'a' else 'END'} +{after_ms} (P {event.probability:.2f})")
            if with_text and kind == "eager_end_of_turn":
                outgoing.put_nowait(pb.DetectRequest(hypothesis=WHOLE_TEXT))
        elif kind == "speech_stopped":
            lags.append(Lag(kind, now_ms - recording.true_end_ms, response.audio_offset_ms))
            told.append(f"stop {response.speech_stopped.end_ms - LEAD_MS}")
        elif kind == "turn_resumed":
            told.append("resumed")
    return told, lags


async def live(recordings: list[Recording], *, with_text: bool) -> None:
    settings = TurnSettings(port=0, log_level="WARNING")
    places = asyncio.Semaphore(AT_ONCE)

    async def in_turn(channel: grpc.aio.Channel, recording: Recording) -> tuple[list[str], list[Lag]]:
        async with places:
            return await stream_live(channel, recording, with_text=with_text)

    server = Server(TurnService(settings), settings)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            results = await asyncio.gather(*(in_turn(channel, recording) for recording in recordings))
    finally:
        await server.stop()
    lags: dict[str, list[float]] = {}
    inside: dict[str, int] = {}
    for recording, (told, found) in zip(recordings, results, strict=True):
        print(f"{recording.name}: {'; '.join(told)}; true end {recording.true_end_ms - LEAD_MS:.0f}")
        for lag in found:
            if lag.kind == "speech_started" or lag.audio_ms >= recording.true_end_ms:
                lags.setdefault(lag.kind, []).append(lag.ms)
            else:
                inside[lag.kind] = inside.get(lag.kind, 0) + 1
    for kind, values in lags.items():
        print(f"{kind}: {spread(values)}; inside the turn: {inside.get(kind, 0)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--made", action="store_true", help="with 40 utterances made by espeak-ng")
    parser.add_argument("--noise", type=float, metavar="DBFS", help="white noise under all of it")
    parser.add_argument("--live", action="store_true", help="over gRPC, at the pace it was spoken")
    parser.add_argument(
        "--text", action="store_true", help="with --live: answer each eager end with a whole final text"
    )
    args = parser.parse_args()
    recordings = load(args.folder, args.noise) if args.folder else []
    if args.made:
        recordings += make(args.noise)
    if not recordings:
        parser.error(f"no .wav in {args.folder}" if args.folder else "name a folder, or --made")
    asyncio.run(live(recordings, with_text=args.text) if args.live else offline(recordings))


if __name__ == "__main__":
    main()
