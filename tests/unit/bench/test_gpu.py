"""The GPU measurement's table, shapes and ways to fail."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from bench.gpu import qwen_shape
from bench.gpu.calls import agents, summary
from bench.gpu.loads import Seen, streams
from bench.gpu.stacks import Kit
from bench.gpu.steps import STEPS, TINY, Bench, Scale, Step, take
from bench.gpu.table import GOALS, markdown, notes, rows
from bench.voice_to_voice import Turn
from parley.models.folder import RECORD
from services.llm.engine import GenerationRequest, Message, Role
from services.llm.engines.chat.prompts import Prompts
from services.orchestrator.agents import AgentBook

pytestmark = pytest.mark.unit

AT_32 = {"n": 200, "p50_ms": 61.0, "p95_ms": 104.2, "p99_ms": 120.0, "max_ms": 130.0}


def result(steps: dict[str, Any], *, is_tiny: bool = False) -> dict[str, Any]:
    machine = {"date": "2026-11-21T12:00:00+00:00", "cpu": "a CPU", "cores": 16}
    return {"machine": machine, "gpu": "a GPU", "is_tiny": is_tiny, "models": {"asr": "a model"}, "steps": steps}


def test_every_goal_is_of_a_step_and_of_a_number_of_streams_that_is_measured() -> None:
    scale = Scale()
    counts = {"asr": scale.asr_streams, "tts": scale.tts_streams, "calls": scale.calls}
    assert {goal.step for goal in GOALS} <= {step.name for step in STEPS}
    assert all(goal.streams in counts.get(goal.step, scale.llm_streams) for goal in GOALS)


def test_a_goal_is_judged_at_its_number_of_streams_alone() -> None:
    steps = {"llm-8b": {"runs": [{"streams": count, "first_token_cold": AT_32} for count in (8, 32)]}}
    assert [(row.streams, row.verdict) for row in rows(steps)] == [(8, ""), (32, "missed")]
    steps["llm-8b"]["runs"][1]["first_token_cold"] = AT_32 | {"p95_ms": 100.0}
    assert [row.verdict for row in rows(steps)] == ["", "ok"]


def test_nothing_measured_is_a_miss_and_no_figure() -> None:
    nothing = {"n": 0, "p50_ms": None, "p95_ms": None}
    steps = {"calls": {"runs": [{"streams": 32, "voice_to_voice": nothing}]}}
    assert [row.verdict for row in rows(steps)] == ["missed"]
    assert "| 0 | - | - |" in markdown(result(steps))


def test_markdown_says_what_failed_and_what_is_only_plumbing() -> None:
    steps = {"asr": {"failed": "it broke\nat length"}, "tts": {"runs": [{"streams": 32, "first_audio": AT_32}]}}
    told = markdown(result(steps))
    assert "- asr failed: it broke\n" in told
    assert "| tts | 32 | first audio of a phrase | 200 | 61 ms | 104.2 ms | p95 <= 80 | missed |" in told
    told = markdown(result(steps, is_tiny=True))
    assert "Plumbing, not figures" in told
    assert "missed" not in told


@pytest.mark.parametrize(("error", "said"), [(ValueError("no"), "ValueError: no"), (TimeoutError(), "no answer")])
async def test_a_step_that_fails_tells_why(error: Exception, said: str) -> None:
    async def one(number: int) -> None:
        raise error

    async def fails(_: Bench) -> list[dict[str, Any]]:
        await streams(2, one)
        return []

    assert said in (await take(Step("x", "", fails, 5), bench()))["failed"]


async def test_a_step_that_hangs_is_ended() -> None:
    async def hangs(_: Bench) -> list[dict[str, Any]]:
        await asyncio.Event().wait()
        return []

    assert await take(Step("x", "", hangs, 0.01), bench()) == {"failed": "not done within 0 s"}


def test_a_fetched_model_is_preferred_to_a_made_one(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen3-8B"
    folder.mkdir()
    (folder / RECORD).write_text("{}")
    environment = Kit(is_tiny=False, models_dir=tmp_path).environment(["llm"])
    assert environment["PARLEY_LLM_VLLM_MODEL"] == str(folder)
    assert environment["PARLEY_LLM_VLLM_EXTRA_ARGS"] == "{}"
    assert environment["PARLEY_ASR_ENGINE"] == "fake"


@pytest.mark.parametrize("name", qwen_shape.CONFIGS)
def test_a_qwen_shape_has_one_token_a_word(name: str, tmp_path: Path) -> None:
    folder = qwen_shape.write(name, tmp_path)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    said = qwen_shape.words(1000)
    assert tokenizer.get_vocab_size() == qwen_shape.VOCABULARY
    assert len(tokenizer.encode(" ".join(said)).ids) == 1000
    assert tokenizer.decode(tokenizer.encode(" ".join(said)).ids) == " ".join(said)
    config = json.loads((folder / "config.json").read_text())
    assert tokenizer.id_to_token(config["eos_token_id"]) == "<|im_end|>"


def test_a_qwen_shape_is_one_that_our_engine_reads(tmp_path: Path) -> None:
    prompts = Prompts(qwen_shape.write("Qwen3-8B", tmp_path))
    request = GenerationRequest(messages=(Message(Role.USER, " ".join(qwen_shape.words(50))),))
    assert 50 <= len(prompts.prompt(request).ids) < 60


def test_calls_are_summed_up_with_their_failures() -> None:
    answered = Turn("bench", "a", "", "x", 300.0, {"first_token": 40.0})
    found = summary([answered, Turn("bench", "a", "", "", None, failure="gone")])
    assert found["voice_to_voice"]["n"] == 1
    assert found["hop first_token"]["p50_ms"] == 40.0
    assert (found["failed"], found["failures"]) == (1, ["gone"])


def test_the_agent_is_one_that_the_orchestrator_takes(tmp_path: Path) -> None:
    assert [agent.name for agent in AgentBook.load(agents(tmp_path / "agents")).all()] == ["bench"]


def test_what_was_seen_becomes_figures() -> None:
    seen = Seen({"final": [1.0, 3.0]}, {"words": 4})
    with seen.counting_failures():
        raise RuntimeError("once")
    figures = seen.figures()
    assert figures["final"] == {"n": 2, "p50_ms": 1.0, "p95_ms": 3.0, "p99_ms": 3.0, "max_ms": 3.0}
    assert (figures["words"], figures["failed"], figures["failures"]) == (4, 1, ["RuntimeError: once"])
    assert notes({"asr": {"runs": [{"streams": 2, **figures}]}}) == ["asr at 2: 1 without a figure: RuntimeError: once"]


def test_a_stream_that_takes_no_more_costs_its_own_figure_only() -> None:
    seen = Seen()
    with seen.counting_failures():
        raise asyncio.InvalidStateError("RPC already finished.")
    assert seen.failures == ["InvalidStateError: RPC already finished."]


def test_a_run_without_any_figure_fails() -> None:
    with pytest.raises(RuntimeError, match="nothing was measured: RuntimeError: once"):
        Seen(failures=["RuntimeError: once"]).figures()


def bench() -> Bench:
    return Bench(Kit(is_tiny=True, models_dir=Path("nowhere")), TINY, lambda said: None)
