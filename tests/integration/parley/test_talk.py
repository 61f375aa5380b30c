"""`parley talk` with a sound card made of threads: they call back as PortAudio does."""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any, Self

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley.commands import talk
from parley.errors import CallError
from tests.support.voice_agent import Line, scripted

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

SPOKEN = b"\x11\x22"
HEARD_LEVEL = 5000


class Stream:
    """Calls back every block, from a thread of its own."""

    def __init__(self, call_back: Callable[[int], None], samplerate: int, blocksize: int) -> None:
        self._call_back = call_back
        self._blocksize = blocksize
        self._period_s = blocksize / samplerate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self._call_back(self._blocksize)


class SoundCard:
    """Stands in for the module sounddevice."""

    class PortAudioError(Exception):
        """What PortAudio raises."""

    def __init__(self) -> None:
        self.played = bytearray()

    def RawInputStream(self, callback: Any, samplerate: int, blocksize: int, **_: Any) -> Stream:  # noqa: N802
        return Stream(lambda frames: callback(SPOKEN * frames, frames, None, None), samplerate, blocksize)

    def RawOutputStream(self, callback: Any, samplerate: int, blocksize: int, **_: Any) -> Stream:  # noqa: N802
        def pull(frames: int) -> None:
            block = bytearray(2 * frames)
            callback(memoryview(block), frames, None, None)
            self.played += block

        return Stream(pull, samplerate, blocksize)

    def check_input_settings(self, *_: Any, **__: Any) -> None:
        raise self.PortAudioError("no default input device")


async def test_both_directions_flow_and_what_was_heard_is_told() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.hear(100)
        await line.speak(1, 200, level=HEARD_LEVEL)
        while (await line.control("playback_progress")).played_ms < 200:
            pass
        await line.ended(pb.END_REASON_AGENT)

    card = SoundCard()
    async with scripted(script) as (service, target):
        options = argparse.Namespace(server=target, agent="desk", rate=16000, input=None, output=None, language="")
        async with asyncio.timeout(20):
            assert await talk.talk(card, options) == 0
        assert service.lines[0].audio.startswith(SPOKEN * 320)
    heard = card.played.count(HEARD_LEVEL.to_bytes(2, "little"))
    assert heard == 200 * 16


def test_no_package_and_no_device_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CallError, match=r"pip install -e '\.\[talk\]'"):
        talk.load_sounddevice()
    options = argparse.Namespace(input=None, output=None, rate=16000)
    with pytest.raises(CallError, match="--list-devices"):
        talk.check_devices(SoundCard(), options)
