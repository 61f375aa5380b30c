"""The agent's own echo in one call: what comes back from the caller's loudspeaker is kept from interrupting.

Speech over the agent is passed on at once, so that it pauses, and compared with what was played while it is judged.
Where it was echo the agent goes on, and from then on a new onset is compared first. As long as echo is heard it is
listened to for somebody who speaks over it, and he is passed on as if he had just begun.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from services.common import metrics
from services.common.audio import AudioFormat
from services.orchestrator import events as ev
from services.orchestrator.echo import AHEAD_MS, MAX_LAG_MS, EchoMemory, Likeness, compare, sound_of
from services.orchestrator.echo_words import without_echo
from services.orchestrator.hearing import Hearing
from services.orchestrator.playback import Playback

log = logging.getLogger(__name__)

STEP_MS = 60
LEAST_MS = 120
"""Sound that is worth comparing."""
BEFORE_ONSET_MS = 60
"""Of the sound before speech was noticed, compared with it."""
JUDGE_MS = 900
"""How long after its onset speech over the agent may still turn out to be echo."""
WATCH_MS = 240
"""The newest sound, in which somebody who speaks over echo is looked for."""
UNLIKE = 0.4
"""Share of a sound that must be explained for its words to be the agent's: a caller may choose by its very words."""
DOUBTS = 2
"""Looks in a row that find somebody before he is passed on: an echo is less like itself at times."""
TAIL_MS = 300
"""After the agent's last word, how much longer than its delay echo may last: the room, and what notices its end."""


@dataclass(frozen=True, slots=True)
class EchoHooks:
    """What the watch needs and tells. All run on the event loop."""

    dispatch: Callable[[ev.Event], None]
    hears_echo: Callable[[bool], None]
    """Tell the turn detector whether what is heard is echo."""
    is_audible: Callable[[], bool]
    """Whether the agent is heard, or paused while it is."""
    said: Callable[[], str]
    """The words that the agent has said lately; empty where it is silent."""
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class EchoWatch:
    """Stands between the turn detector's events and the state machine."""

    def __init__(self, audio_format: AudioFormat, hearing: Hearing, playback: Playback, hooks: EchoHooks) -> None:
        self._rate_hz = audio_format.sample_rate_hz
        self._hearing = hearing
        self._playback = playback
        self._hooks = hooks
        self._memory = EchoMemory()
        self._task: asyncio.Task[None] | None = None
        self._in_speech = False
        self._is_echo = False
        self._is_over_agent = False
        self._may_be_echo = False
        """Whether words over the agent may be its own: not once the sound of them was compared, and is another."""
        self._said = ""

    @property
    def _is_known(self) -> bool:
        return self._memory.lag_ms is not None

    def callers_words(self, text: str) -> str:
        """Return what of a recognised text is not the agent's own."""
        if not text or not self._is_over_agent or not self._may_be_echo:
            return text
        self._said = self._hooks.said() or self._said
        return without_echo(text, self._said, is_known=self._is_known)

    def pass_on(self, event: ev.Event) -> None:
        """Take an event of the turn detector's; it goes on to the state machine, unless it is echo that begins."""
        match event:
            case ev.SpeechStarted() if self._hooks.is_audible():
                self._begin(event)
                return
            case ev.SpeechStarted():
                self._in_speech = True
                self._is_over_agent = False
                self._stop()
            case ev.SpeechStopped():
                self._in_speech = False
        self._hooks.dispatch(event)

    def _begin(self, event: ev.SpeechStarted) -> None:
        self._in_speech = self._is_over_agent = self._may_be_echo = True
        self._said = self._hooks.said()
        self._stop()
        is_told = not self._is_known
        if is_told:
            self._hooks.dispatch(event)
        self._task = self._hooks.spawn(self._watch(event, is_told=is_told), "echo")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._say(is_echo=False)

    def _say(self, *, is_echo: bool) -> None:
        if is_echo != self._is_echo:
            self._is_echo = is_echo
            self._hooks.hears_echo(is_echo)

    async def _watch(self, event: ev.SpeechStarted, *, is_told: bool) -> None:
        try:
            await self._judge(event, is_told=is_told)
        except Exception:  # a fault of ours must cost the caller no word
            log.exception("echo watch failed")
            self._say(is_echo=False)
            if self._in_speech:
                self._hooks.dispatch(event)

    async def _judge(self, event: ev.SpeechStarted, *, is_told: bool) -> None:
        """Find out whether the speech that began is echo. `is_told`: the agent is silent meanwhile."""
        began_ms = event.onset_ms - BEFORE_ONSET_MS
        if not is_told:
            likeness = await self._look_near(max(LEAST_MS, self._hearing.offset_ms - began_ms))
            if likeness is not None and self._memory.is_echo(likeness):
                await self._hear_echo(likeness)
                return
            self._pass_on_late(event)
        while (heard_ms := self._hearing.offset_ms - began_ms) < JUDGE_MS and self._hooks.is_audible():
            if heard_ms >= LEAST_MS:
                likeness = await self._look(heard_ms)
                self._may_be_echo = likeness is None or likeness.explained >= UNLIKE
                if likeness is not None and self._memory.is_echo(likeness) and self._hooks.is_audible():
                    self._hooks.dispatch(ev.EchoHeard())
                    await self._hear_echo(likeness)
                    return
            await asyncio.sleep(STEP_MS / 1000)

    def _pass_on_late(self, event: ev.SpeechStarted) -> None:
        self._hooks.dispatch(event)
        if not self._in_speech:
            self._hooks.dispatch(ev.SpeechStopped())

    async def _hear_echo(self, likeness: Likeness) -> None:
        """Keep the echo that was found from interrupting, for as long as it lasts and nobody speaks over it."""
        metrics.INTERRUPTIONS.add(1, kind="echo")
        self._memory.learn(likeness)
        self._say(is_echo=True)
        doubts = 0
        while self._in_speech and self._hooks.is_audible() and doubts < DOUBTS:
            await asyncio.sleep(STEP_MS / 1000)
            found = await self._look_near(WATCH_MS)
            if found is None:
                continue
            if self._memory.is_caller(found):
                doubts += 1
            else:
                doubts = 0
                if self._memory.is_echo(found):
                    self._memory.learn(found)
        if self._in_speech and not self._hooks.is_audible():
            await asyncio.sleep((max(0.0, self._memory.lag_ms or 0.0) + TAIL_MS) / 1000)
        if self._in_speech:
            self._hear_caller()

    def _hear_caller(self) -> None:
        """Pass on that somebody speaks, who began a little ago, with the agent's last words in his first ones."""
        self._say(is_echo=False)
        since_ms = WATCH_MS if self._hooks.is_audible() else TAIL_MS
        self._hooks.dispatch(ev.SpeechStarted(max(1, round(self._hearing.offset_ms - since_ms))))

    async def _look_near(self, heard_ms: float) -> Likeness | None:
        """Compare at the delay that is known, and at every delay where that finds no echo: late frames move it."""
        likeness = await self._look(heard_ms, self._memory.lag_ms)
        if likeness is None or self._memory.is_echo(likeness):
            return likeness
        elsewhere = await self._look(heard_ms)
        return elsewhere if elsewhere is not None and self._memory.is_echo(elsewhere) else likeness

    async def _look(self, heard_ms: float, near_ms: float | None = None) -> Likeness | None:
        """Compare the newest sound with what was played, off the event loop: it takes some milliseconds."""
        pcm, age_ms = self._hearing.newest(heard_ms)
        heard_ms = len(pcm) * 500 / self._rate_hz
        if heard_ms < LEAST_MS:
            return None
        sounded = self._playback.sounded(heard_ms + MAX_LAG_MS + age_ms, AHEAD_MS - age_ms)
        return await asyncio.to_thread(_compare, pcm, sounded, self._rate_hz, near_ms)


def _compare(pcm: bytes, sounded: bytes, rate_hz: int, near_ms: float | None) -> Likeness | None:
    return compare(sound_of(pcm, rate_hz), sound_of(sounded, rate_hz), near_ms)
