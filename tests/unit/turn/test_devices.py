"""Where the models run is asserted at start."""

from __future__ import annotations

import pytest

from services.common.errors import InvalidInput
from services.turn.engines.silero import SileroSmartTurn
from services.turn.settings import TurnSettings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("model", ["silero", "smart_turn"])
async def test_cuda_that_is_not_there_refuses_to_start(model: str) -> None:
    engine = SileroSmartTurn(TurnSettings.model_validate({f"{model}_device": "cuda"}))
    with pytest.raises(InvalidInput, match=f"PARLEY_TURN_{model.upper()}_DEVICE=cuda"):
        await engine.start()
    await engine.close()


async def test_auto_goes_on_without_a_gpu_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    engine = SileroSmartTurn(TurnSettings(smart_turn_device="auto"))
    await engine.start()
    assert engine.capabilities.uses_audio_model
    await engine.close()
    assert [record.message for record in caplog.records] == ["no CUDA: the model runs on the CPU"]
