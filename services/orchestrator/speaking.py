"""The agent's side of one call: the reply in progress, its tools, its voice, its playback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.audio import AudioFormat
from services.common.wire import encode_agent_audio
from services.orchestrator import events as ev
from services.orchestrator import messages
from services.orchestrator.answering import AnswerHooks, Answering
from services.orchestrator.canned import CannedSpeech
from services.orchestrator.endings import Endings
from services.orchestrator.held_lines import HeldLines
from services.orchestrator.history import History, Message
from services.orchestrator.languages import CallLanguages
from services.orchestrator.latency import Marks, ServerTiming
from services.orchestrator.playback import Playback, PlaybackHooks
from services.orchestrator.reply import Reply
from services.orchestrator.resuming import restart_ms
from services.orchestrator.sentences import SentenceHooks, Sentences
from services.orchestrator.speaking_hooks import SpeakingHooks
from services.orchestrator.speculation import SpeculationBudget
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError, as_stage_error
from services.orchestrator.stages.tts import Speech, SpeechHooks, tts_config
from services.orchestrator.timeline import TimedWord
from services.orchestrator.tools.base import Tool
from services.orchestrator.tools.replying import ReplyTools
from services.orchestrator.tracing import CallTrace
from services.orchestrator.wording.wording import SpokenPhrase

log = logging.getLogger(__name__)

PROGRESS_EVERY_MS = 5_000
LATELY_MS = 4_000
WORD_MS = 500
"""A word that has begun counts as said."""


class Speaking:
    """One call's mouth. At most one reply at a time is audible; its epoch is on everything it sends."""

    def __init__(
        self,
        stages: Stages,
        languages: CallLanguages,
        audio_format: AudioFormat,
        session_id: str,
        history: History,
        tools: Mapping[str, Tool],
        canned: CannedSpeech,
        hooks: SpeakingHooks,
        sends_progress: bool,
        rewinds: bool,
        trace: CallTrace,
        budget: SpeculationBudget,
    ) -> None:
        settings = stages.settings
        self._languages = languages
        self._format = audio_format
        self._history = history
        self.tools = ReplyTools(lambda: languages.agent, tools, history, session_id, settings, hooks, trace)
        self._hooks = hooks
        self._sends_progress = sends_progress
        self._rewinds = rewinds
        self._trace = trace
        self._reply: Reply | None = None
        self._making: asyncio.Task[None] | None = None
        self._is_audible = False
        self._progress_told_ms = 0.0
        self.playback = Playback(
            audio_format,
            PlaybackHooks(self._send_frame, self._on_began, self._on_progress, self._on_played),
            asyncio.get_running_loop(),
        )
        self._held_lines = HeldLines(languages.whole.turn, self.playback, hooks.dispatch)
        self._endings = Endings(self.playback, hooks, trace)
        self.sentences = Sentences(
            canned,
            languages,
            audio_format,
            SentenceHooks(
                spawn=hooks.spawn,
                speak=self._speak,
                hush=self._hush,
                play=lambda reply, phrase_id, pcm: self._play(reply, phrase_id, pcm, is_last=True, timing=None),
            ),
        )
        self.answers = Answering(
            stages,
            languages,
            session_id,
            history,
            tools.values(),
            AnswerHooks(
                speak=self._speak,
                hush=self._hush,
                tell=self._tell_transcript,
                whole=self.sentences.whole,
                run_tools=lambda reply, calls: self.tools.run(reply, calls, self.playback, self._fill),
                guessed_call=self.tools.foresee,
                finished=self.playback.finish,
                failed=self._fail,
            ),
            hooks,
            trace,
            budget,
        )
        self.speech = Speech(
            stages,
            tts_config(languages.whole, audio_format, session_id),
            SpeechHooks(
                on_ready=self._on_ready,
                on_audio=self._on_audio,
                on_words=self._on_words,
                on_lost=hooks.failed,
                on_gave_up=hooks.on_gave_up,
            ),
            ready_ms=settings.stage_ready_ms,
            grace_ms=settings.stage_grace_ms,
        )

    # --- beginning ----------------------------------------------------------------------------------------------------

    def _on_ready(self, info: common_pb2.EngineInfo) -> None:
        self._hooks.info("tts", info)
        self.sentences.on_voice(info)

    @property
    def may_guess(self) -> bool:
        """Whether an answer may be begun on a guess: none is in progress, and there is room."""
        return self._reply is None and self.answers.may_guess

    def start_reply(self, epoch: int, user_text: str, marks: Marks) -> None:
        """Answer `user_text`, in the language it was heard in: with what was made of it on a guess, or anew."""
        self._languages.settle()
        guessed = self.answers.take_guess(epoch, user_text, marks)
        if guessed is None:
            reply = self._begin(epoch, user_text, marks)
            reply.user_message = self._history.add(Message("user", user_text))
            self._making = self._hooks.spawn(self.answers.make(reply), f"reply-{epoch}")
        else:
            reply, self._making = guessed
            self._begin_with(reply)
        self._hooks.changed()
        reply.gate.open()

    def report(self, epoch: int) -> None:
        """Have the model tell what a tool has reported; nothing where it was told meanwhile."""
        if not self._history.has_untold_report:
            self._hooks.dispatch(ev.PlaybackDone(epoch))
            return
        reply = self._begin(epoch, "", Marks())
        reply.outcome = "report"
        self._making = self._hooks.spawn(self.answers.make(reply), f"report-{epoch}")

    def say(self, epoch: int, phrase: ev.Phrase, close: ev.CloseReason | None) -> None:
        """Speak a fixed sentence: from the shelf where it is there, through synthesis otherwise."""
        reply = self._begin(epoch, "", Marks())
        reply.is_canned = True
        reply.close = close
        reply.outcome = phrase.value
        text = self.answers.agent_of(reply).phrase(phrase)
        self._making = self._hooks.spawn(self._say(reply, phrase, text), f"say-{epoch}")

    def _begin(self, epoch: int, user_text: str, marks: Marks) -> Reply:
        reply = self.answers.reply(epoch, user_text, marks)
        self._begin_with(reply)
        return reply

    def _begin_with(self, reply: Reply) -> None:
        self._end_of_reply()
        self._reply = reply
        self._progress_told_ms = 0.0
        self.playback.begin(reply.epoch, self._endings.gap_ms(reply, self.answers.agent_of(reply).turn.min_gap_ms))

    async def _say(self, reply: Reply, phrase: ev.Phrase, text: str) -> None:
        if not text:
            self._reply = None
            self._hooks.dispatch(ev.PlaybackDone(reply.epoch, reply.close))
            return
        try:
            said = self.sentences.whole(reply, text)
            reply.said = self._history.add(Message("assistant", said.written))
            phrase_id = reply.timeline.add_phrase(said.spoken)
            self._tell_transcript(reply, said.written)
            await self.sentences.say(reply, phrase_id, phrase)
        except StageError as error:
            self._fail(reply, error)
        except Exception as error:  # a fault of ours must not end the call
            log.exception("fixed sentence failed")
            self._fail(reply, as_stage_error("orchestrator", error))
        else:
            self.playback.finish()

    def _speak(self, reply: Reply, phrase_id: int, phrase: SpokenPhrase) -> None:
        traceparent = self._trace.traceparent(reply.epoch)
        self.speech.speak(
            reply.epoch,
            phrase_id,
            phrase,
            traceparent,
            attempt=reply.attempt,
            language=reply.language,
        )

    def _hush(self, reply: Reply) -> None:
        self.speech.cancel(reply.epoch, reply.attempt)

    def _fill(self, reply: Reply, text: str) -> None:
        self._tell_transcript(reply, self.sentences.whole(reply, text).written)
        self.sentences.fill(reply, text)

    def _fail(self, reply: Reply, error: StageError) -> None:
        if reply is not self._reply:
            return
        reply.outcome = f"failed: {error.stage}"
        self._hush(reply)
        self._hooks.failed(error)
        epoch, is_canned = reply.epoch, reply.is_canned
        self._finish_early()
        self._hooks.dispatch(ev.ReplyFailed(epoch, canned=is_canned))

    def _tell_transcript(self, reply: Reply, text: str) -> None:
        self._hooks.send(
            messages.transcript(pb.SPEAKER_AGENT, text, reply.epoch, is_final=True, language=reply.language)
        )

    # --- audio --------------------------------------------------------------------------------------------------------

    def _on_audio(self, epoch: int, phrase_id: int, pcm: bytes, is_last: bool, timing: ServerTiming) -> None:
        if (reply := self._spoken(epoch)) is not None:
            self._play(reply, phrase_id, pcm, is_last=is_last, timing=timing)

    def _spoken(self, epoch: int) -> Reply | None:
        """Return what synthesis speaks of turn `epoch`: the answer in progress, or the guess at one."""
        return next((r for r in (self._reply, self.answers.guessed) if r is not None and r.epoch == epoch), None)

    def _play(self, reply: Reply, phrase_id: int, pcm: bytes, *, is_last: bool, timing: ServerTiming | None) -> None:
        reply.on_audio(phrase_id, self._format.duration_ms(len(pcm)), is_last=is_last, timing=timing)
        if pcm:
            reply.gate.do(lambda: self.playback.push(pcm))

    def _on_words(self, epoch: int, phrase_id: int, words: list[TimedWord]) -> None:
        if (reply := self._spoken(epoch)) is not None:
            reply.timeline.add_words(phrase_id, words)

    def _send_frame(self, epoch: int, offset_ms: int, pcm: bytes) -> None:
        self._hooks.send(encode_agent_audio(epoch, offset_ms, pcm))

    def _on_began(self, epoch: int) -> None:
        self._endings.began(self._reply, epoch)
        self._is_audible = True
        self._hooks.agent_speaks(True, epoch, "")
        self._hooks.dispatch(ev.AudioBegan(epoch))
        self._held_lines.look(self._reply)

    def _on_progress(self, epoch: int) -> None:
        self._held_lines.look(self._reply)
        sent_ms = self.playback.sent_ms
        if sent_ms - self._progress_told_ms > PROGRESS_EVERY_MS:
            self._progress_told_ms = sent_ms
            self._hooks.dispatch(ev.ReplyProgressed(epoch))

    def _on_played(self, epoch: int) -> None:
        reply = self._reply
        if reply is None or reply.epoch != epoch:
            return
        self._endings.summarise(reply, reply.timeline.text)
        if not reply.is_canned:
            self.tools.ahead.turn_ended()
        self._reply = None
        self._silent(reply.timeline.text)
        self._hooks.dispatch(ev.PlaybackDone(epoch, reply.close))

    def _silent(self, heard: str) -> None:
        if self._is_audible:
            self._is_audible = False
            self._hooks.agent_speaks(False, self.playback.epoch, heard)

    # --- pausing and ending -------------------------------------------------------------------------------------------

    @property
    def is_audible(self) -> bool:
        """Whether the agent is heard, or paused while it is."""
        return self._is_audible

    def said_lately(self) -> str:
        """Return the words whose sound may still be on its way back to the caller's microphone."""
        if self._reply is None:
            return ""
        heard_ms = self.playback.heard_ms()
        return self._reply.timeline.said_between(heard_ms - LATELY_MS, heard_ms + WORD_MS)

    def pause(self, epoch: int) -> None:
        """Let the caller hear silence at once."""
        if self.playback.epoch == epoch:
            self._hooks.send(messages.pause_playback(epoch))
            self.playback.pause()
            self._endings.paused()

    def resume(self, epoch: int) -> None:
        """Go on: with the word that was cut, where the caller's player can go back, and otherwise where it paused."""
        if self.playback.epoch == epoch:
            from_ms = restart_ms(self.playback, self._reply.timeline) if self._rewinds and self._reply else None
            self._hooks.send(messages.resume_playback(epoch, from_ms))
            self.playback.resume(from_ms)

    def cancel(self, epoch: int, *, unsay_user: bool) -> None:
        """Stop the reply down to the engines; `ReplyCancelled` follows once it is known what was heard."""
        reply = self._reply
        if reply is None or reply.epoch != epoch:
            self._hooks.dispatch(ev.ReplyCancelled(epoch))
            return
        self._stop(reply)
        was_paused = self.playback.is_paused
        was_audible = self._is_audible
        self.playback.clear()
        self._hooks.send(messages.clear_playback(epoch))
        self._trace.cleared(epoch)
        self._silent(reply.timeline.heard_text(self.playback.heard_ms()))
        reply.interrupted = was_audible
        if unsay_user and reply.user_message is not None and not reply.tool_calls:
            self._history.remove(reply.user_message)
            reply.outcome = "resumed"
        if self._sends_progress and was_audible and not was_paused:
            self._hooks.spawn(self._truncate_when_acknowledged(reply), f"truncate-{epoch}")
        else:
            self._truncate(reply)

    async def _truncate_when_acknowledged(self, reply: Reply) -> None:
        await self._endings.acknowledged()
        self._truncate(reply)

    def _truncate(self, reply: Reply) -> None:
        if reply is self._reply:
            self._finish_early()
        self._hooks.dispatch(ev.ReplyCancelled(reply.epoch))

    def _finish_early(self) -> None:
        """Record what was heard of the reply that did not come to its end."""
        reply, self._reply = self._reply, None
        if reply is None:
            return
        heard = reply.truncate(self.playback.heard_ms())
        self._silent(heard)
        self.playback.clear()
        self._endings.summarise(reply, heard)

    def _stop(self, reply: Reply) -> None:
        """Have nothing more of the reply in progress made; the tools that it has begun run on."""
        if self._making is not None:
            self._making.cancel()
        self._hush(reply)

    def _end_of_reply(self) -> None:
        """Leave nothing of an earlier reply running before another begins."""
        if self._reply is not None:
            self._stop(self._reply)
            self._hooks.send(messages.clear_playback(self._reply.epoch))
            self._finish_early()

    def acknowledge(self, epoch: int, played_ms: int) -> None:
        """Take the caller's playback position."""
        self._endings.acknowledge(epoch, played_ms)

    def close(self) -> None:
        """Record what was heard when the call ends in the middle of a reply, and leave nothing running of it."""
        self.answers.close()
        if self._reply is not None:
            self._stop(self._reply)
        self._finish_early()
