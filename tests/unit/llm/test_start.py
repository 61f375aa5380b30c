"""How the service starts: whoever asks for its health meanwhile is answered."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from services.llm import servicer
from services.llm.engines.fake import FakeEngine
from services.llm.settings import LlmSettings

pytestmark = pytest.mark.unit


async def test_an_engine_that_is_imported_slowly_does_not_hold_up_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_go_on = threading.Event()

    def load(*_: Any, **__: Any) -> Any:
        assert may_go_on.wait(10), "the event loop stood still"
        return FakeEngine

    monkeypatch.setattr(servicer, "load_engine", load)
    service = servicer.LlmService(LlmSettings(engine="fake"))
    starting = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    may_go_on.set()
    async with asyncio.timeout(10):
        await starting
        await service.close()
