"""The program in docs/sdk.md runs as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley.wav import write_wav
from tests.support.voice_agent import Line, scripted

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DOCS = Path(__file__).parents[3] / "docs" / "sdk.md"


async def test_the_ten_line_program_holds_a_call(tmp_path: Path) -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.hear(400)
        await line.said(pb.SPEAKER_AGENT, "From nine to five.", 2)
        await line.send(turn_summary=pb.TurnSummary(turn_epoch=2, user_text="when are you open"))
        await line.control("end")
        await line.ended()

    found = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    lines = [line for line in found[1].splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith(("import", "from"))]) <= 10
    write_wav(tmp_path / "question.wav", b"\x10\x27" * 6400, 16000)
    async with scripted(script) as (service, target):
        program = tmp_path / "program.py"
        program.write_text(found[1].replace("localhost:50050", target))
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
        assert (process.returncode, out.decode()) == (0, "From nine to five.\n")
        assert service.lines[0].start.agent == "requests"
