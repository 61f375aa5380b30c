"""Recognition as gRPC sees it, with an engine that listens to nothing."""

from __future__ import annotations

import grpc
import pytest

from services.asr.servicer import AsrService
from services.asr.settings import AsrSettings
from tests.integration.asr.caller import Caller
from tests.support.servers import serving

pytestmark = pytest.mark.integration


async def test_a_caller_that_never_begins_is_not_waited_for() -> None:
    brief = AsrSettings(engine="fake", port=0, config_timeout_ms=50)
    async with serving(AsrService(brief), brief) as (_, channel):
        failure = await Caller(channel).failure()
    assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "no config within 50 ms" in (failure.details() or "")
