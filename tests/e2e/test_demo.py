"""`make demo`'s command, whole: five processes, real audio, real tools, and a report of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DEADLINE_S = 200
MAX_MEMORY_MB = 1500


async def test_the_demo_holds_a_whole_conversation(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parley.cli", "demo", "--out", str(tmp_path / "demo"),
        env={**os.environ, "PARLEY_RUN_DIR": str(tmp_path / "run")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S):
        out, _ = await process.communicate()
    shown = out.decode()
    assert process.returncode == 0, shown
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["ok"] is True
    calls = {call["name"]: call["arguments"] for call in report["tool_calls"]}
    assert calls["check_availability"] == {"day": "tuesday", "time": "10:30"}
    assert calls["book_appointment"] == {"day": "tuesday", "time": "10:30", "name": "Maria Gomez"}
    answered = [turn for turn in report["turns"] if turn["user_text"]]
    assert len(answered) >= 5
    assert all(turn["agent_text"] and turn["voice_to_voice_ms"] > 0 for turn in answered)
    interrupted = [turn for turn in answered if turn["interrupted"]]
    assert len(interrupted) == 1
    assert interrupted[0]["agent_text"].startswith(interrupted[0]["heard_text"])
    assert len(interrupted[0]["heard_text"]) < len(interrupted[0]["agent_text"])
    assert report["stale_frames"] == 0
    assert 0 < report["peak_memory_mb"]["total"] < MAX_MEMORY_MB
    assert set(report["startup_s"]) == {"asr", "turn", "llm", "tts", "orchestrator"}
    assert "voice to voice" in shown
    _both_sides_are_heard(tmp_path / "demo" / "call.wav")


def _both_sides_are_heard(path: Path) -> None:
    with wave.open(str(path)) as recording:
        assert recording.getnchannels() == 2
        samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").reshape(-1, 2)
        seconds = len(samples) / recording.getframerate()
    for side in (samples[:, 0], samples[:, 1]):
        spoken_s = np.count_nonzero(np.abs(side.astype(np.int32)) > 500) / len(side) * seconds
        assert spoken_s > 1
