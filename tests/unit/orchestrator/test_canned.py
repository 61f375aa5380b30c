"""The shelf of fixed sentences, where agents share a voice."""

from __future__ import annotations

import asyncio

import pytest

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent
from services.orchestrator.canned import CannedSpeech, engine_of
from tests.support import virtual_time
from tests.support.scripted_stages import INFO, ScriptedStages

pytestmark = pytest.mark.unit

FORMAT = AudioFormat(16000)
ENGINE = engine_of(INFO)


def agent(name: str) -> Agent:
    """Return an agent whose sentences are its own, in the voice of all."""
    return Agent(name=name, prompt="A test.", greeting=f"This is {name}.")


def test_agents_of_one_voice_whose_calls_begin_together_all_get_their_sentences() -> None:
    async def example() -> None:
        stages = ScriptedStages()
        shelf = CannedSpeech(stages)  # type: ignore[arg-type]
        agents = [agent(name) for name in ("anna", "bert", "anna")]
        await asyncio.gather(*(shelf.prepare(each, FORMAT, ENGINE) for each in agents))
        assert all(shelf.get(each, FORMAT, text, ENGINE) for each in agents for text in each.sentences)
        assert [phrase.text for phrase in stages.spoken].count("This is anna.") == 1

    virtual_time.run(example())
