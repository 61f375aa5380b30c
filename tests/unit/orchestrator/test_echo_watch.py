"""What of the turn detector's word goes on to the state machine while the agent's voice may come back to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.common.audio import AudioFormat
from services.orchestrator import events as ev
from services.orchestrator.echo import Likeness
from services.orchestrator.echo_watch import DOUBTS, JUDGE_MS, STEP_MS, TAIL_MS, EchoHooks, EchoWatch
from tests.support import virtual_time

pytestmark = pytest.mark.unit

LAG_MS = 120.0
ECHO = Likeness(LAG_MS, 0.9, 0.9, 1.0, 400.0)
CALLER = Likeness(300.0, 0.2, 0.1, 5.0, 400.0)
MOVED = Likeness(220.0, 0.9, 0.9, 1.0, 400.0)
BEGAN = ev.SpeechStarted(1000)
DELAY_MS = 10
"""How long a comparison takes here."""


class Watch(EchoWatch):
    """The watch over a microphone that hears what a test says: the comparisons' results, the last of them for good."""

    def __init__(self, *hears: Likeness | type[Exception] | None, known: bool = False) -> None:
        self.told: list[ev.Event] = []
        self.echo: list[bool] = []
        self.is_audible = True
        self.hears = deque(hears)
        self.elsewhere: Likeness | None = CALLER
        """What a comparison finds that looks beyond the delay that is known."""
        self.looks = 0
        hearing: Any = self
        hooks = EchoHooks(
            dispatch=self.told.append,
            hears_echo=self.echo.append,
            is_audible=lambda: self.is_audible,
            said=lambda: "we open at nine",
            spawn=lambda coroutine, name: asyncio.get_running_loop().create_task(coroutine, name=name),
        )
        super().__init__(AudioFormat(16000), hearing, hearing, hooks)
        if known:
            self._memory.learn(ECHO)
        self._began_s = asyncio.get_running_loop().time()

    @property
    def offset_ms(self) -> float:
        """Return how much the caller has sent: 200 ms since the onset, and more as time passes."""
        return 1200.0 + (asyncio.get_running_loop().time() - self._began_s) * 1000

    async def _look(self, heard_ms: float, near_ms: float | None = None) -> Likeness | None:
        if near_ms is None and self._is_known:
            return self.elsewhere
        self.looks += 1
        await asyncio.sleep(DELAY_MS / 1000)
        found = self.hears.popleft() if len(self.hears) > 1 else self.hears[0]
        if isinstance(found, type):
            raise found
        return found

    async def after(self, duration_ms: float) -> list[ev.Event]:
        """Let time pass; return what was told meanwhile."""
        before = len(self.told)
        await asyncio.sleep(duration_ms / 1000)
        return self.told[before:]


def held(example: Callable[[], Awaitable[None]]) -> None:
    """Run an example in virtual time, and leave nothing of it running."""

    async def run() -> None:
        await example()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    virtual_time.run(run())


def test_a_first_sound_is_told_at_once_and_what_turns_out_to_be_echo_resumes_the_agent() -> None:
    async def example() -> None:
        watch = Watch(CALLER, ECHO)
        watch.pass_on(BEGAN)
        assert watch.told == [BEGAN]
        assert await watch.after(2 * STEP_MS) == [ev.EchoHeard()]
        assert watch.echo == [True]
        watch.pass_on(ev.SpeechStopped())
        assert await watch.after(1000) == []

    held(example)


def test_a_caller_is_compared_for_a_while_and_no_longer() -> None:
    async def example() -> None:
        watch = Watch(CALLER)
        watch.pass_on(BEGAN)
        assert await watch.after(JUDGE_MS) == []
        looks = watch.looks
        await watch.after(JUDGE_MS)
        assert (watch.looks, watch.told, watch.echo) == (looks, [BEGAN], [])

    held(example)


def test_where_the_echo_is_known_it_is_not_told_and_who_speaks_over_it_is() -> None:
    async def example() -> None:
        watch = Watch(ECHO, ECHO, CALLER, ECHO, CALLER, known=True)
        watch.pass_on(BEGAN)
        assert await watch.after(DELAY_MS + 3 * (STEP_MS + DELAY_MS) + 5) == []
        assert watch.echo == [True]
        assert await watch.after((DOUBTS - 1) * (STEP_MS + DELAY_MS)) == []
        told = await watch.after(STEP_MS + DELAY_MS)
        assert [type(event) for event in told] == [ev.SpeechStarted]
        assert watch.echo == [True, False]

    held(example)


@pytest.mark.parametrize("at_onset", [False, True])
def test_an_echo_whose_delay_has_moved_is_still_echo(at_onset: bool) -> None:
    async def example() -> None:
        watch = Watch(CALLER, known=True) if at_onset else Watch(ECHO, CALLER, known=True)
        watch.elsewhere = MOVED
        watch.pass_on(BEGAN)
        assert await watch.after(1000) == []
        assert watch.echo == [True]
        assert watch._memory.lag_ms == MOVED.lag_ms

    held(example)


@pytest.mark.parametrize("is_over", [False, True])
def test_where_the_echo_is_known_another_sound_is_told_a_little_late(is_over: bool) -> None:
    async def example() -> None:
        watch = Watch(CALLER, known=True)
        watch.pass_on(BEGAN)
        if is_over:
            watch.pass_on(ev.SpeechStopped())
        watch.told.clear()
        assert await watch.after(2 * DELAY_MS) == [BEGAN, *[ev.SpeechStopped()] * is_over]
        assert watch.echo == []

    held(example)


@pytest.mark.parametrize("known", [False, True])
def test_a_fault_of_the_watch_costs_the_caller_no_word(known: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def example() -> None:
        watch = Watch(ValueError, known=known)
        watch.pass_on(BEGAN)
        await watch.after(1000)
        assert watch.told[-1] == BEGAN
        assert watch.echo == []

    held(example)
    assert "echo watch failed" in caplog.text


def test_who_still_speaks_when_the_echo_has_died_away_is_told() -> None:
    async def example() -> None:
        watch = Watch(ECHO, known=True)
        watch.pass_on(BEGAN)
        await watch.after(200)
        watch.is_audible = False
        assert await watch.after(LAG_MS + TAIL_MS - STEP_MS) == []
        told = await watch.after(3 * STEP_MS)
        assert [type(event) for event in told] == [ev.SpeechStarted]
        assert watch.echo == [True, False]

    held(example)


def test_while_the_agent_is_silent_everything_goes_on_and_ends_the_watch() -> None:
    async def example() -> None:
        watch = Watch(ECHO, known=True)
        watch.pass_on(BEGAN)
        await watch.after(200)
        watch.pass_on(ev.SpeechStopped())
        watch.is_audible = False
        later = ev.SpeechStarted(3000)
        for event in (later, ev.EagerEndOfTurn(), ev.EndOfTurn(900)):
            watch.pass_on(event)
        assert watch.told[-3:] == [later, ev.EagerEndOfTurn(), ev.EndOfTurn(900)]
        looks = watch.looks
        assert await watch.after(1000) == []
        assert (watch.looks, watch.echo) == (looks, [True, False])
        assert watch.callers_words("we open at nine") == "we open at nine"

    held(example)


def test_the_agents_words_are_left_out_unless_the_sound_was_compared_and_is_anothers() -> None:
    async def example() -> None:
        watch = Watch(CALLER)
        watch.pass_on(BEGAN)
        assert watch.callers_words("we open at nine") == ""
        await watch.after(2 * DELAY_MS)
        assert watch.callers_words("we open at nine") == "we open at nine"

    held(example)
