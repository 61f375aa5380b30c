"""A client that is not ours: `buf curl`, which knows the API by reflection alone."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import stack

pytestmark = pytest.mark.integration

BUF = Path(sys.executable).with_name("buf")
DEADLINE_S = 30


async def buf_curl(address: str, method: str, data: str, *, streams: bool = False) -> list[dict[str, Any]]:
    """Call a method with JSON requests; return the JSON responses."""
    process = await asyncio.create_subprocess_exec(
        str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", "@-",
        f"http://{address}/voice.orchestrator.v1.VoiceAgent/{method}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(data.encode() + b"\n")
    out = b""
    async with asyncio.timeout(DEADLINE_S):
        # A stream's input stays open until the server has ended the call: a half-close would hang up.
        while streams and b'"ended"' not in out:
            line = await process.stdout.readline()
            assert line, (await process.stderr.read()).decode()
            out += line
        process.stdin.close()
        rest, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
        assert await process.wait() == 0, err.decode()
    out += rest
    decoder, text, found = json.JSONDecoder(), out.decode().strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


async def test_the_agents_are_listed_by_reflection(tmp_path: Path) -> None:
    async with stack(tmp_path) as parts:
        assert await buf_curl(parts.address, "ListAgents", "{}") == [
            {
                "agents": [
                    {
                        "name": "tester",
                        "description": "An agent for tests.",
                        "language": "en-US",
                        "languages": ["en-US"],
                    }
                ]
            }
        ]


async def test_a_scripted_conversation(tmp_path: Path) -> None:
    start = {"agent": "tester", "format": {"sampleRateHz": 16000, "encoding": "AUDIO_ENCODING_PCM_S16LE"}}
    requests = [{"start": start}, {"textInput": {"text": "hello"}}]
    agent_ends = {"fake_tool_when": "hello", "fake_tool_name": "end_call"}
    async with stack(tmp_path, llm=agent_ends) as parts:
        answers = await buf_curl(parts.address, "Converse", "\n".join(map(json.dumps, requests)), streams=True)
    kinds = [next(iter(answer)) for answer in answers]
    assert kinds[0] == "started"
    assert kinds[-1] == "ended"
    assert "audio" in kinds
    said = [answer["turnSummary"] for answer in answers if "turnSummary" in answer]
    assert said[-1]["userText"] == "hello"
    assert said[-1]["heardText"] == "Goodbye now."
