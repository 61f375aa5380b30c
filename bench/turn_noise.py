"""What turn detection makes of noise, and what it costs: `python bench/turn_noise.py`.

Forty sounds that nobody speaks, 20 s each, through the default engine and the tracker: which of them open a turn. Then
the cost of a frame alone, in batches of 32 streams, and of a minute of digital silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from services.turn.endpointing import TurnRules
from services.turn.engines.silero import FRAME, SileroSmartTurn, SileroStream
from services.turn.events import SpeechStarted
from services.turn.settings import TurnSettings
from services.turn.tracker import TurnTracker

RATE_HZ = 16000
SECONDS = 20
LEVELS_DBFS = (-50, -40, -30, -20, -12)
DTMF_HZ = ((697, 1209), (770, 1336), (852, 1477), (941, 1336))
Samples = npt.NDArray[np.float64]


def sounds() -> Iterator[tuple[str, Samples]]:
    """Yield each sound once, at an amplitude of about one."""
    random = np.random.default_rng(1)
    count = RATE_HZ * SECONDS
    seconds = np.arange(count) / RATE_HZ
    white = random.standard_normal(count)
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    pink = np.fft.irfft(spectrum, count)
    clicks = np.zeros(count)
    clicks[:: RATE_HZ // 2] = 10.0
    thud = np.exp(-np.arange(800) / 150) * random.standard_normal(800)

    def tone(hz: float) -> Samples:
        return np.sin(2 * np.pi * hz * seconds)

    keys = sum((tone(low) + tone(high)) * ((seconds % 4 >= at) & (seconds % 4 < at + 0.2)) for at, (low, high) in
               enumerate(DTMF_HZ))  # fmt: skip
    yield "white noise", white
    yield "pink noise", pink / pink.std()
    yield "mains hum", tone(50) + 0.3 * tone(100) + 0.5 * tone(150)
    yield "tone of 440 Hz", tone(440)
    yield "ringing", (tone(440) + tone(480)) * (seconds % 6 < 2)
    yield "clicks", clicks
    yield "knocks", np.convolve(clicks, thud)[:count]
    yield "DTMF", np.asarray(keys)


def to_pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


async def phantoms(engine: SileroSmartTurn, pcm: bytes) -> int:
    stream = engine.open(RATE_HZ)
    tracker = TurnTracker(TurnRules(), engine.capabilities)
    started = 0
    for at in range(0, len(pcm), 6400):
        heard = await stream.hear(pcm[at : at + 6400])
        events = tracker.hear(heard.frames, (at + 6400) / 32)
        started += sum(isinstance(event, SpeechStarted) for event in events)
    stream.close()
    return started


async def cost_us(streams: list[SileroStream], pcm: bytes, times: int) -> float:
    """Return CPU microseconds for each chunk."""

    async def feed(stream: SileroStream) -> None:
        for _ in range(times):
            await stream.hear(pcm)

    began_s = time.process_time()
    await asyncio.gather(*map(feed, streams))
    for stream in streams:
        stream.close()
    return (time.process_time() - began_s) / times / len(streams) * 1e6


async def main() -> None:
    engine = SileroSmartTurn(TurnSettings())
    await engine.start()
    total = 0
    for name, samples in sounds():
        for level in LEVELS_DBFS:
            started = await phantoms(engine, to_pcm(samples * 10 ** (level / 20)))
            total += started
            if started:
                print(f"{name} at {level} dBFS: speech started {started} times in {SECONDS} s")
    print(f"{total} phantom starts in {len(LEVELS_DBFS) * 8} sounds of {SECONDS} s")
    noise = to_pcm(np.random.default_rng(2).standard_normal(FRAME) * 0.1)
    print(f"a frame alone: {await cost_us([engine.open(RATE_HZ)], noise, 500):.0f} us of CPU")
    print(f"a frame among 32 streams: {await cost_us([engine.open(RATE_HZ) for _ in range(32)], noise, 100):.0f} us")
    silent_us = await cost_us([engine.open(RATE_HZ)], bytes(640), 3000)
    print(f"60 s of digital silence: {silent_us * 3000 / 1e6:.2f} s")
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
