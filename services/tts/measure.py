"""How long a running server takes to first audio: `python -m services.tts.measure`. The README tells what it found."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.tts.servicer import GRPC_NAME

_PHRASE = "Your appointment is booked for Tuesday."
_ENCODING = common_pb2.AUDIO_ENCODING_PCM_S16LE


async def _speak(channel: grpc.aio.Channel, phrases: int, pause_s: float) -> list[tuple[float, int]]:
    """Return (milliseconds to first audio at the client, of it microseconds in the engine) for each phrase."""
    call: Any = channel.stream_stream(
        f"/{GRPC_NAME}/Synthesize",
        request_serializer=tts_pb2.SynthesizeRequest.SerializeToString,
        response_deserializer=tts_pb2.SynthesizeResponse.FromString,
    )()
    audio_format = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=_ENCODING)
    await call.write(tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=audio_format)))
    await call.read()
    measured: list[tuple[float, int]] = []
    for epoch in range(phrases):
        began_s = time.perf_counter()
        await call.write(tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(turn_epoch=epoch, text=_PHRASE)))
        is_first = True
        while not (response := await call.read()).audio.is_last:
            if is_first and response.HasField("audio"):
                measured.append(((time.perf_counter() - began_s) * 1000, response.timing.engine_us))
                is_first = False
        await asyncio.sleep(pause_s)
    await call.write(tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()))
    await call.read()
    return measured[1:]


async def _measure(server: str, streams: int, phrases: int, pause_s: float) -> str:
    async with grpc.aio.insecure_channel(server) as channel:
        runs = await asyncio.gather(*(_speak(channel, phrases + 1, pause_s) for _ in range(streams)))
    first_ms = sorted(ms for run in runs for ms, _ in run)
    engine_ms = statistics.median(us for run in runs for _, us in run) / 1000
    p95_ms = first_ms[int(len(first_ms) * 0.95)]
    return (
        f"{len(first_ms)} phrases on {streams} streams: first audio p50 {statistics.median(first_ms):.1f} ms, "
        f"p95 {p95_ms:.1f} ms; engine p50 {engine_ms:.1f} ms"
    )


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50054")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--phrases", type=int, default=50, help="phrases a stream")
    parser.add_argument("--pause-s", type=float, default=0.0, help="pause after each phrase")
    given = parser.parse_args()
    sys.stdout.write(asyncio.run(_measure(given.server, given.streams, given.phrases, given.pause_s)) + "\n")


if __name__ == "__main__":
    main()
