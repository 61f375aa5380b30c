"""The GPU measurement on the CPU: its cheap steps with the test models, through the real services."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from bench import stack
from bench.gpu import whisper_shape
from bench.gpu.stacks import Kit
from bench.gpu.steps import STEPS, TINY, Bench, take

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]

ONE = replace(TINY, llm_streams=(1,), tts_streams=(1,), rounds=1)


@pytest.mark.parametrize(("name", "figure"), [("llm-8b", "first_token_cached"), ("tts", "first_audio")])
async def test_a_tiny_step_measures_through_the_real_service(
    name: str, figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "OUT", tmp_path)
    for stage in ("LLM", "TTS"):  # an interpreter of its own, as where packages conflict
        monkeypatch.setenv(f"BENCH_PYTHON_{stage}", sys.executable)
    step = next(step for step in STEPS if step.name == name)
    told: list[str] = []
    result = await take(step, Bench(Kit(is_tiny=True, models_dir=tmp_path), ONE, told.append))
    (run,) = result["runs"]
    assert run[figure]["n"] == ONE.rounds_of(1)
    assert run[figure]["p50_ms"] > 0
    assert told == ["1 streams"]


def test_a_whisper_shape_says_its_script_and_ends(tmp_path: Path) -> None:
    folder = whisper_shape.write("tiny", tmp_path)
    model = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
    noise = np.random.default_rng(0).standard_normal(32000).astype(np.float32) * np.float32(0.05)
    segments, _ = model.transcribe(noise, language="en", beam_size=1, temperature=0.0, without_timestamps=True)
    (segment,) = segments
    assert len(segment.text.split()) == 12
    assert segment.text.endswith(".")
    assert segment.avg_logprob > -0.1
