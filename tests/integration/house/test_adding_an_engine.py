"""A new engine is one file and one line: the page's own example, put in place and spoken with over gRPC."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2, tts_pb2_grpc

import services.tts.engines
from services.tts.engines import ENGINES
from services.tts.servicer import TtsService
from services.tts.settings import TtsSettings
from tests.support.servers import serving
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "adding-an-engine.md").read_text()
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
DEADLINE_S = 20


@pytest.fixture
def beep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the page's file beside the other engines, for one test, and its line into the table."""
    (engine_path, engine_code), (table_path, table_code) = BLOCKS
    assert table_path == "services/tts/engines/__init__.py"
    (tmp_path / Path(engine_path).name).write_text(engine_code)
    monkeypatch.setattr(services.tts.engines, "__path__", [*services.tts.engines.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    match = re.search(r'"(\w+)": "([\w.:]+)"', table_code)
    assert match is not None
    name, place = match.groups()
    monkeypatch.setitem(ENGINES, name, place)
    monkeypatch.delitem(sys.modules, place.partition(":")[0], raising=False)
    return name


def requests(voice: str) -> list[tts_pb2.SynthesizeRequest]:
    audio_format = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    return [
        tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=audio_format, voice=voice)),
        tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(turn_epoch=1, text="Good morning to you")),
        tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()),
    ]


async def test_one_file_and_one_line_are_a_voice_that_speaks_over_grpc(beep: str) -> None:
    service = TtsService(TtsSettings(engine=beep, port=0))
    async with serving(service, TtsSettings(port=0)) as (_, channel):
        stub: Any = tts_pb2_grpc.StreamingTtsStub(channel)
        call = stub.Synthesize(iter(requests("high")), timeout=DEADLINE_S)
        responses: list[tts_pb2.SynthesizeResponse] = [response async for response in call]
    assert responses[0].ready.info.engine == "beep"
    assert list(responses[0].ready.voices) == ["low", "high"]
    words = [word.text for response in responses for word in response.words.words]
    assert words == ["Good", "morning", "to", "you"]
    samples = sum(len(response.audio.pcm) for response in responses) // 2
    assert samples == 16 * 40 * len("Goodmorningtoyou")
    assert service.engine.running == 0


async def test_a_setting_that_names_no_engine_is_told_the_new_one_too(beep: str) -> None:
    with pytest.raises(Exception, match=r"choose one of .*beep"):
        TtsService(TtsSettings(engine="bleep"))
