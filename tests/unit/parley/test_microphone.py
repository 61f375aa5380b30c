"""Whoever says something is told when the call ends before it was said, at whatever moment that is."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from parley.client import Conversation
from parley.errors import CallLost, CallMisused
from parley.microphone import Microphone

pytestmark = pytest.mark.unit

FRAME_MS = 1


class LostCall:
    """A call that is lost when the given frame is sent, counted from 1."""

    sample_rate_hz = 16000
    elapsed_ms = 0.0

    def __init__(self, lost_at: int) -> None:
        self.has_ended = False
        self._left = lost_at

    async def send_audio(self, _: bytes) -> None:
        self._left -= 1
        if not self._left:
            self.has_ended = True
            raise CallLost("the connection broke")


@pytest.mark.parametrize("lost_at", [1, 2, 3])
async def test_a_call_that_is_lost_ends_what_is_being_said_the_last_frame_too(lost_at: int) -> None:
    call = cast(Conversation, LostCall(lost_at))
    async with asyncio.timeout(10), Microphone(call, FRAME_MS) as microphone:
        with pytest.raises(CallMisused):
            await microphone.say(bytes(3 * 32 * FRAME_MS))


async def test_nothing_can_be_said_once_the_call_has_ended() -> None:
    call = cast(Conversation, LostCall(1))
    async with asyncio.timeout(10), Microphone(call, FRAME_MS) as microphone:
        for _ in range(2):
            with pytest.raises(CallMisused):
                await microphone.say(bytes(32 * FRAME_MS))
