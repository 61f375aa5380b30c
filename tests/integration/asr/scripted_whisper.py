"""The faster-whisper engine with a scripted model: its streams, queue and threads are real, the words are known."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.asr.engine import KeyTerm, StreamOptions
from services.asr.engines import faster_whisper
from services.asr.engines.faster_whisper import FasterWhisper, FasterWhisperStream
from services.asr.engines.whisper.hearing import Answer, Question
from services.asr.engines.whisper.model import NEEDS
from services.asr.settings import AsrSettings
from tests.unit.asr.whisper.oracle import START_OF_PREVIOUS, Script

DEADLINE_S = 20
CHUNK_BYTES = 3200


class ScriptedWhisper:
    """Stands in for `model.Whisper`. A stream says by a key term whose script it follows; `hold` stops all decodes."""

    device, compute_type = "cpu", "scripted"
    languages = ("de", "en")
    window_ms = 30_000
    start_of_previous = START_OF_PREVIOUS

    def __init__(self, workers: int = 1, batch_size: int = 8) -> None:
        self.workers = workers
        self.batch_size = batch_size
        self.scripts: dict[int, Script] = {}
        self.batches: list[list[int]] = []
        """The streams of each batch, in the order in which they ran."""
        self.failures: list[Exception] = []
        """Raised by the next decodes, one each."""
        self.poison: set[int] = set()
        """Streams whose decodes fail, and whatever is in one batch with them."""
        self.too_few = False
        """Whether answers are missing."""
        self._go = threading.Event()
        self._go.set()
        self.began = threading.Semaphore(0)

    def encode_text(self, text: str) -> list[int]:
        return [int(text)]

    def hold(self) -> None:
        """Let decodes begin and wait."""
        self._go.clear()

    def release(self) -> None:
        """Let them go on."""
        self._go.set()

    def decode(self, questions: Sequence[Question]) -> list[Answer]:
        streams = [question.previous[1] for question in questions]
        self.batches.append(streams)
        self.began.release()
        assert self._go.wait(DEADLINE_S)
        if self.failures:
            raise self.failures.pop(0)
        if self.poison & set(streams):
            raise RuntimeError("CUDA failed with error out of memory")
        if self.too_few:
            return []
        return [self.scripts[place].answer(question) for place, question in zip(streams, questions, strict=True)]


class Desk:
    """An engine over a scripted model, and callers at it."""

    def __init__(self, engine: FasterWhisper, whisper: ScriptedWhisper) -> None:
        self.engine = engine
        self.whisper = whisper

    async def caller(self, script: Script, number: int, **options: Any) -> FasterWhisperStream:
        """Open a stream that speaks `script`."""
        self.whisper.scripts[number] = script
        terms = (KeyTerm(str(number), 0.5),)
        options = {"language": "en-US", **options}
        return await self.engine.open(StreamOptions(16000, key_terms=terms, **options))


async def speak(stream: FasterWhisperStream, pcm: bytes, *, with_partials: bool = False) -> None:
    """Feed audio in pieces of 100 ms."""
    for at in range(0, len(pcm), CHUNK_BYTES):
        await stream.accept(pcm[at : at + CHUNK_BYTES])
        if with_partials:
            await stream.partial()


def settings(folder: Path, **fields: Any) -> AsrSettings:
    """Return settings that find a model in `folder`."""
    for name in NEEDS:
        (folder / name).write_bytes(b"x")
    return AsrSettings(engine="faster-whisper", port=0, faster_whisper_model=str(folder), **fields)


@asynccontextmanager
async def desk(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, workers: int = 1, batch_size: int = 8, **fields: Any
) -> AsyncIterator[Desk]:
    """Start an engine over a scripted model."""
    whisper = ScriptedWhisper(workers, batch_size)
    monkeypatch.setattr(faster_whisper, "load_whisper", lambda options: whisper)
    engine = FasterWhisper(settings(folder, **fields))
    await engine.start()
    try:
        yield Desk(engine, whisper)
    finally:
        whisper.release()
        await engine.close()
