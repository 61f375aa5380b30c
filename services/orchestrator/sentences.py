"""The agent's fixed sentences in one call: from the shelf where it has them, through synthesis otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from voice.common.v1 import common_pb2

from services.common.audio import AudioFormat
from services.orchestrator.canned import Canned, CannedSpeech, Engine, engine_of
from services.orchestrator.events import Phrase
from services.orchestrator.languages import CallLanguages
from services.orchestrator.reply import Reply
from services.orchestrator.stages.stream import StageError
from services.orchestrator.wording.wording import SpokenPhrase, whole


@dataclass(frozen=True, slots=True)
class SentenceHooks:
    """What a fixed sentence needs. All run on the event loop."""

    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    speak: Callable[[Reply, int, SpokenPhrase], None]
    """(reply, phrase_id, phrase): have it synthesised."""
    hush: Callable[[Reply], None]
    """Have nothing more of it synthesised."""
    play: Callable[[Reply, int, bytes], None]
    """(reply, phrase_id, pcm): play a whole phrase."""


class Sentences:
    """One call's fixed sentences, in the voice that speaks now."""

    def __init__(
        self, shelf: CannedSpeech, languages: CallLanguages, audio_format: AudioFormat, hooks: SentenceHooks
    ) -> None:
        self._shelf = shelf
        self._languages = languages
        self._format = audio_format
        self._hooks = hooks
        self._engine: Engine = ("", "")
        self._is_kept = False

    def on_voice(self, info: common_pb2.EngineInfo) -> None:
        """Note which engine speaks: another voice than before needs the sentences anew."""
        is_another, self._engine = engine_of(info) != self._engine, engine_of(info)
        if is_another and self._is_kept:
            self.keep()

    def keep(self) -> None:
        """Have the sentences ready, in the voice that now speaks; from here on also in any that follows.

        To be called once the call has begun, so that the greeting is not waited for behind them.
        """
        self._is_kept = True
        for tag in self._languages.tags:
            agent = self._languages.agent_in(tag)
            self._hooks.spawn(self._shelf.prepare(agent, self._format, self._engine), f"canned-speech-{tag}")

    async def say(self, reply: Reply, phrase_id: int, phrase: Phrase) -> None:
        """Have `phrase` heard as `phrase_id` of `reply`. Raises StageError where no voice can say it."""
        agent = self._languages.agent_in(reply.language)
        text = agent.phrase(phrase)
        canned = self._shelf.get(agent, self._format, text, self._engine)
        if canned is not None:
            self._play(reply, phrase_id, canned)
            return
        reply.expect(phrase_id)
        self._hooks.speak(reply, phrase_id, self.whole(reply, text))
        try:
            await reply.await_synthesis()
        except StageError:
            spare = self._shelf.spare(agent, self._format, text)
            if spare is None or reply.timeline.audio_ms:
                raise
            self._hooks.hush(reply)  # better in another voice than not at all
            self._play(reply, phrase_id, spare)

    def fill(self, reply: Reply, text: str) -> None:
        """Have a filler heard as a phrase of `reply`, which goes on after it. It is no part of what the model said."""
        phrase = self.whole(reply, text)
        phrase_id = reply.timeline.add_phrase(phrase.spoken)
        canned = self._shelf.get(self._languages.agent_in(reply.language), self._format, text, self._engine)
        if canned is not None:
            self._play(reply, phrase_id, canned)
        else:
            reply.expect(phrase_id)
            self._hooks.speak(reply, phrase_id, phrase)

    def whole(self, reply: Reply, text: str) -> SpokenPhrase:
        """Return a sentence as it is said in the language of `reply`."""
        return whole(text, reply.language)

    def _play(self, reply: Reply, phrase_id: int, canned: Canned) -> None:
        reply.timeline.add_words(phrase_id, canned.words)
        self._hooks.play(reply, phrase_id, canned.pcm)
