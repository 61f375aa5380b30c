"""`parley say` and the demo's caller: speech from the synthesis service, or what went wrong."""

from __future__ import annotations

import pytest

from parley.errors import SpeechError
from parley.speech import synthesise
from tests.integration.tts.client import running

pytestmark = pytest.mark.integration


async def test_each_text_is_speech_of_its_own() -> None:
    async with running() as served:
        one, other = await synthesise(f"127.0.0.1:{served.server.port}", ["One word.", "And here there are many more."])
    assert 0 < len(one) < len(other)


async def test_a_text_that_is_refused_is_said_so_though_others_are_on_their_way() -> None:
    async with running() as served:
        with pytest.raises(SpeechError, match="at most 2000"):
            await synthesise(f"127.0.0.1:{served.server.port}", ["x" * 3000] + ["Many words."] * 500)


@pytest.mark.parametrize("count", [1, 500])
async def test_a_voice_that_there_is_not_is_said_so_however_much_is_still_being_sent(count: int) -> None:
    async with running() as served:
        with pytest.raises(SpeechError, match="unknown voice 'nobody'"):
            await synthesise(f"127.0.0.1:{served.server.port}", ["Many words."] * count, voice="nobody")
