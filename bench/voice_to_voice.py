"""Voice to voice with the embedded default engines: out/bench/voice_to_voice.json. See bench/README.md."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.caller import RATE_HZ, Caller, Spoken
from bench.stack import Stack, running
from bench.stats import spread
from bench.words import word_errors, words_of
from parley import events
from parley.errors import CallError
from parley.listener import WaitedTooLong
from parley.report import hops_ms
from parley.speech import synthesise

VOICES = ("en-us", "en-us+f3", "en-gb+m3", "en-us+m1", "en-gb+f2", "en-us+f5", "en-gb", "en-us+m7")
SENTENCES = {
    "appointments": (
        "what are your opening hours",
        "where are you located",
        "is there parking",
        "how much is a cleaning",
        "how long does a filling take",
        "do you take insurance",
        "who is the dentist",
        "what time do you close",
        "can you tell me what is your phone number",
        "how much do you charge for a whitening",
    ),
    "requests": (
        "where is my order",
        "what is your return policy",
        "how do i return my order",
        "do you ship to canada",
        "when will my package arrive",
        "i would like a refund please",
        "what are your opening hours",
        "i would like to check my order status",
        "how much is shipping",
        "i'd like to speak to a manager",
    ),
}
LANES = 2
TURNS_A_CALL = 6
CALLS = 8
ANSWER_S = 8.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One sentence of a caller's and what came of it."""

    agent: str
    voice: str
    said: str
    heard: str
    voice_to_voice_ms: float | None
    hops_ms: dict[str, float] = field(default_factory=dict)
    is_hit: bool = False
    """The answer was begun on a guess, before the turn was over."""
    hidden_ms: int = 0
    is_cut_off: bool = False
    """The turn was taken for over before the sentence was."""
    turns: int = 1
    """Turns that the sentence was answered in: more than one where it was cut off."""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A caller: one voice, one agent, some sentences."""

    agent: str
    voice: str
    sentences: tuple[str, ...]


def plan(calls: int, turns: int) -> list[Call]:
    """Return who says what: agents in turn, each voice once before any twice, every sentence as often as the others."""
    sources = {agent: itertools.cycle(sentences) for agent, sentences in SENTENCES.items()}
    voices, agents = itertools.cycle(VOICES), itertools.cycle(SENTENCES)
    return [
        Call(agent, next(voices), tuple(next(sources[agent]) for _ in range(turns)))
        for agent in itertools.islice(agents, calls)
    ]


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold the calls and return what was measured."""
    return await measure_calls(plan(2, 3) if quick else plan(CALLS, TURNS_A_CALL), {})


async def measure_calls(calls: Sequence[Call], environment: Mapping[str, str], lanes: int = LANES) -> dict[str, Any]:
    """Hold these calls, `lanes` at a time, over services with `environment`, and return what was measured."""
    queue = list(reversed(calls))
    turns: list[Turn] = []

    async def lane(stack: Stack) -> None:
        while queue:
            turns.extend(await hold(stack, queue.pop()))

    async with running("voice_to_voice", environment) as stack:
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane(stack))
        stack.launcher.sample_memory()
        memory = dict(stack.launcher.peak_memory_mb)
    return summary(turns, lanes) | {"memory_mb": memory}


async def hold(stack: Stack, call: Call) -> list[Turn]:
    """Hold one call; a turn that does not come about ends it, and counts as failed."""
    recordings = await synthesise(stack.target("tts"), call.sentences, voice=call.voice, sample_rate_hz=RATE_HZ)
    turns: list[Turn] = []
    try:
        async with Caller(stack.target("orchestrator"), call.agent) as caller:
            await caller.greeted()
            for sentence, pcm in zip(call.sentences, recordings, strict=True):
                turns.append(await ask(caller, call, sentence, pcm))
    except (CallError, WaitedTooLong) as error:
        missing = call.sentences[len(turns) :]
        turns += [Turn(call.agent, call.voice, said, "", None, failure=str(error)) for said in missing]
    return turns


async def ask(caller: Caller, call: Call, sentence: str, pcm: bytes) -> Turn:
    """Say a sentence and wait until it is answered. Raises CallError or WaitedTooLong."""
    first_turn, first_event = len(caller.call.turns), len(caller.heard)
    spoken = await caller.say(pcm)
    await caller.until(
        lambda: any(turn.user_text for turn in caller.call.turns[first_turn:]), f"an answer to {sentence!r}", 20.0
    )
    await caller.agent_is_done()
    answers = [turn for turn in caller.call.turns[first_turn:] if turn.user_text]
    return Turn(
        call.agent,
        call.voice,
        sentence,
        heard=" ".join(turn.user_text for turn in answers),
        voice_to_voice_ms=answers[-1].voice_to_voice_ms,
        hops_ms=hops_ms(answers[-1]),
        is_hit=answers[-1].speculated,
        hidden_ms=answers[-1].hidden_ms,
        is_cut_off=was_cut_off(caller.heard[first_event:], spoken),
        turns=len(answers),
    )


def was_cut_off(heard: Sequence[events.Event], spoken: Spoken) -> bool:
    """Return whether the turn was taken for over before the last of the sentence was sent."""
    return any(
        isinstance(event, events.StateChanged)
        and event.state is events.State.THINKING
        and spoken.start_ms < event.at_ms < spoken.end_ms
        for event in heard
    )


def summary(turns: Sequence[Turn], lanes: int) -> dict[str, Any]:
    """Return the content of voice_to_voice.json."""
    measured = [turn for turn in turns if turn.voice_to_voice_ms is not None]
    times = [turn.voice_to_voice_ms for turn in measured if turn.voice_to_voice_ms is not None]
    said = sum(len(words_of(turn.said)) for turn in turns)
    errors = sum(word_errors(words_of(turn.said), words_of(turn.heard)) for turn in turns)
    wrong = [turn for turn in turns if words_of(turn.said) != words_of(turn.heard)]
    names = dict.fromkeys(name for turn in measured for name in turn.hops_ms)
    return {
        "n": len(measured),
        **spread(times, digits=1),
        "parallel_calls": lanes,
        "hits": sum(turn.is_hit for turn in measured),
        "hidden": spread([turn.hidden_ms for turn in measured if turn.is_hit], digits=1),
        "voices": sorted({turn.voice for turn in turns}),
        "by_hop": {
            name: spread([turn.hops_ms[name] for turn in measured if name in turn.hops_ms], digits=1) for name in names
        },
        "word_error_rate": round(errors / said, 4) if said else None,
        "wrong_transcripts": [{"said": turn.said, "heard": turn.heard, "voice": turn.voice} for turn in wrong],
        "cut_offs": sum(turn.is_cut_off or turn.turns > 1 for turn in turns),
        "failures": [f"{turn.said!r} ({turn.voice}): {turn.failure}" for turn in turns if turn.failure],
        "turns": [
            {
                "agent": turn.agent,
                "voice": turn.voice,
                "said": turn.said,
                "voice_to_voice_ms": None if turn.voice_to_voice_ms is None else round(turn.voice_to_voice_ms, 1),
                "hops_ms": turn.hops_ms,
                "is_hit": turn.is_hit,
                "hidden_ms": turn.hidden_ms,
                "is_cut_off": turn.is_cut_off,
            }
            for turn in turns
        ],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(quick="--quick" in sys.argv)), indent=2))
