"""What is said over the agent in `bench overlap`: made with espeak-ng and from noise, and how a room gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parley.speech import synthesise

RATE_HZ = 16000
Samples = npt.NDArray[np.float64]

MEANT = ("no wait", "stop", "what treatments do you offer", "please cancel my appointment")
NOT_MEANT = ("uh huh", "yeah", "okay", "mhm")
VOICES = ("en-us", "en-us+f3", "en-gb+f2")
LEVEL_DBFS = -23.0


@dataclass(frozen=True, slots=True)
class Echo:
    """How the agent's voice comes back: so much later, so much fainter, in a room."""

    lag_ms: int
    gain_db: float
    reverberation_ms: int = 0
    direct_db: float = 6.0
    """The direct sound over the room's."""


@dataclass(frozen=True, slots=True)
class Case:
    """One call: what is said over the greeting, if anything, and what else the microphone hears."""

    kind: str
    what: str
    is_meant: bool
    pcm: bytes = b""
    echo: Echo | None = None
    noise_db: float | None = None
    """Noise under what is said, in dB below it."""


ECHOES = (Echo(30, -6), Echo(120, -12), Echo(250, -20), Echo(120, -12, 300), Echo(180, -9, 400, 0.0))


async def cases(tts_target: str, *, quick: bool) -> list[Case]:
    """Return the set; always the same."""
    made = list(_made(await _spoken(tts_target, MEANT), await _spoken(tts_target, NOT_MEANT)))
    return made[::4] if quick else made


async def _spoken(target: str, texts: tuple[str, ...]) -> list[tuple[str, bytes]]:
    spoken: list[tuple[str, bytes]] = []
    for voice in VOICES:
        recorded = await synthesise(target, texts, voice=voice, sample_rate_hz=RATE_HZ)
        spoken += [(f"{text} ({voice})", _at_level(pcm)) for text, pcm in zip(texts, recorded, strict=True)]
    return spoken


def _made(meant: list[tuple[str, bytes]], not_meant: list[tuple[str, bytes]]) -> Iterator[Case]:
    for what, pcm in meant:
        yield Case("interruption", what, True, pcm)
    for what, pcm in not_meant:
        yield Case("backchannel", what, False, pcm)
    for number in range(6):
        yield Case("cough", f"cough {number}", False, _pcm(_cough(number)))
    for name, samples in _noises():
        yield Case("noise", name, False, _pcm(samples))
    for echo in ECHOES:
        yield Case("echo", _told(echo), False, echo=echo)
    for number, echo in enumerate(ECHOES):
        what, pcm = meant[(number * 5) % len(meant)]
        yield Case("double talk", f"{what}, {_told(echo)}", True, pcm, echo=echo)
    for number, noise_db in enumerate((20.0, 10.0, 5.0)):
        what, pcm = meant[2 + number * 4]
        yield Case("in noise", f"{what}, {noise_db:.0f} dB", True, pcm, noise_db=noise_db)
        what, pcm = not_meant[number * 4]
        yield Case("backchannel in noise", f"{what}, {noise_db:.0f} dB", False, pcm, noise_db=noise_db)


def _told(echo: Echo) -> str:
    return f"{echo.lag_ms} ms, {echo.gain_db:.0f} dB, {echo.reverberation_ms} ms of room"


def answer_of(echo: Echo) -> Samples:
    """Return the impulse response of an echo's room, its gain included; the delay is left to the caller."""
    count = max(1, echo.reverberation_ms * RATE_HZ // 1000)
    tail = np.zeros(count)
    if count > 1:
        decay = 10 ** (-3 * np.arange(count) / count)
        tail = np.random.default_rng(count).standard_normal(count) * decay
        tail[: 2 * RATE_HZ // 1000] = 0.0
        tail *= 10 ** (-echo.direct_db / 20) / np.sqrt(tail @ tail)
    tail[0] = 1.0
    return np.asarray(tail * 10 ** (echo.gain_db / 20))


def _cough(number: int) -> Samples:
    """Return a cough: two bursts of noise through a throat's resonances, the second fainter."""
    chance = np.random.default_rng(100 + number)
    seconds = np.arange(int(0.3 * RATE_HZ)) / RATE_HZ
    burst = chance.standard_normal(len(seconds)) * np.minimum(1, seconds / 0.01) * np.exp(-seconds / 0.07)
    spectrum = np.fft.rfft(burst)
    hz = np.fft.rfftfreq(len(burst), 1 / RATE_HZ)
    shape = sum(1 / (1 + ((hz - centre * chance.uniform(0.8, 1.2)) / 250) ** 2) for centre in (500, 1400, 2600))
    burst = np.fft.irfft(spectrum * shape, len(burst))
    return np.concatenate([burst, np.zeros(RATE_HZ // 10), 0.6 * burst])


def _noises() -> Iterator[tuple[str, Samples]]:
    chance = np.random.default_rng(7)
    seconds = np.arange(RATE_HZ) / RATE_HZ
    yield "white noise, 1 s", chance.standard_normal(RATE_HZ)
    yield "door: a thud", np.exp(-seconds / 0.05) * chance.standard_normal(RATE_HZ)
    yield "keys: 8 clicks", np.where(np.arange(RATE_HZ) % 2000 < 40, 1.0, 0.0) * chance.standard_normal(RATE_HZ)
    yield "ringing", np.sin(2 * np.pi * 440 * seconds) + np.sin(2 * np.pi * 480 * seconds)


def _pcm(samples: Samples) -> bytes:
    rms = float(np.sqrt(np.mean(samples**2)))
    return (np.clip(samples / rms * 10 ** (LEVEL_DBFS / 20), -1, 1) * 32767).astype("<i2").tobytes()


def _at_level(pcm: bytes) -> bytes:
    return _pcm(np.frombuffer(pcm, "<i2").astype(np.float64))


def noise_under(case: Case, count: int, chance: np.random.Generator) -> Any:
    """Return `count` samples of a case's background noise, as PCM16 values."""
    if case.noise_db is None:
        return np.zeros(count)
    return chance.standard_normal(count) * 32767 * 10 ** ((LEVEL_DBFS - case.noise_db) / 20)
