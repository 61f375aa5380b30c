# mypy: ignore-errors
# livekit-agents is not in the environment that types are checked in: it has one of its own (bench/peers/venvs.py).
"""LiveKit Agents with the shared fake stages, in one process: `python -m bench.peers.on_livekit` in its environment.

An AgentSession as it ships, with audio input and output of its interfaces in place of a room. Turn detection is that
of the recogniser ("stt"), as the rule belongs to the shared stages; endpointing waits no longer than they do, and the
warm-up in which nobody can interrupt is off, as otherwise the first seconds of every answer could not be spoken over.
Everything else is its default. Without a VAD, it takes the first words over the agent for an interruption; with one it
would wait half a second.
"""

from __future__ import annotations

import asyncio
import logging
import time

from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io

from bench.peers import callers
from bench.peers.plan import (
    ASR_FINAL_MS,
    HEARD,
    LLM_FIRST_MS,
    RATE_HZ,
    TTS_FIRST_MS,
    Detector,
    Sound,
    chunks,
    deltas,
)

_ENGLISH = LanguageCode("en")


class Source(io.AudioInput):
    """The caller's audio, as the session asks for it."""

    def __init__(self) -> None:
        super().__init__(label="bench")
        self._frames = asyncio.Queue()

    def put(self, pcm: bytes) -> None:
        """Take a frame."""
        self._frames.put_nowait(rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // 2))

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class Sink(io.AudioOutput):
    """The caller's loudspeaker: takes audio faster than it plays, and plays by the clock."""

    def __init__(self, ear: callers.Ear) -> None:
        super().__init__(label="bench", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=RATE_HZ)
        self._ear = ear
        self._pushed_s = self._played_s = 0.0
        self._since_s = None
        self._is_whole = False
        self._finish = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take audio."""
        await super().capture_frame(frame)
        self._ear.audio()
        if not self._pushed_s:
            self.on_playback_started(created_at=time.time())
        self._pushed_s += frame.duration
        if self._since_s is None and not self._played_s:
            self._since_s = time.monotonic()

    def flush(self) -> None:
        """Note that the answer is whole."""
        super().flush()
        if self._pushed_s:
            self._is_whole = True
            self._schedule()

    def clear_buffer(self) -> None:
        """Stop, and forget what is left."""
        self._ear.silence()
        if self._pushed_s:
            self._end(interrupted=True)

    def pause(self) -> None:
        """Stop for now."""
        super().pause()
        self._ear.silence()
        self._hold()

    def resume(self) -> None:
        """Go on."""
        super().resume()
        if self._pushed_s and self._since_s is None:
            self._since_s = time.monotonic()
            self._schedule()

    def _hold(self) -> None:
        if self._since_s is not None:
            self._played_s += time.monotonic() - self._since_s
            self._since_s = None
        if self._finish is not None:
            self._finish.cancel()
            self._finish = None

    def _schedule(self) -> None:
        if self._is_whole and self._since_s is not None and self._finish is None:
            left_s = self._pushed_s - self._played_s - (time.monotonic() - self._since_s)
            self._finish = asyncio.get_running_loop().call_later(max(0.0, left_s), self._end)

    def _end(self, *, interrupted: bool = False) -> None:
        self._hold()
        position_s = min(self._played_s, self._pushed_s)
        self._pushed_s = self._played_s = 0.0
        self._is_whole = False
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class Recogniser(stt.STT):
    """The fake recogniser, with the fake turn detector in it."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))

    def stream(self, *, language=None, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        """Open a stream."""
        return Recognition(stt=self, conn_options=conn_options)

    async def _recognize_impl(self, buffer, *, language, conn_options):
        raise TypeError("it only streams")


class Recognition(stt.RecognizeStream):
    """One stream of it."""

    async def _run(self) -> None:
        detector = Detector()
        final = None
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                continue
            for sound in detector.hear(bytes(frame.data)):
                match sound:
                    case Sound.STARTED:
                        self._say(stt.SpeechEventType.START_OF_SPEECH)
                    case Sound.WORD:
                        self._say(stt.SpeechEventType.INTERIM_TRANSCRIPT, detector.words)
                    case Sound.STOPPED:
                        final = asyncio.create_task(asyncio.sleep(ASR_FINAL_MS / 1000))
                    case Sound.ENDED:
                        final.add_done_callback(lambda _: self._finish())

    def _finish(self) -> None:
        self._say(stt.SpeechEventType.FINAL_TRANSCRIPT, HEARD)
        self._say(stt.SpeechEventType.END_OF_SPEECH)

    def _say(self, kind, text: str = "") -> None:
        said = [stt.SpeechData(_ENGLISH, text, confidence=1.0)] if text else []
        self._event_ch.send_nowait(stt.SpeechEvent(kind, alternatives=said))


class Model(llm.LLM):
    """The fake language model."""

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_):
        """Begin a reply."""
        return Reply(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Reply(llm.LLMStream):
    """One reply of it."""

    async def _run(self) -> None:
        await asyncio.sleep(LLM_FIRST_MS / 1000)
        for delta in deltas():
            content = llm.ChoiceDelta(role="assistant", content=delta)
            self._event_ch.send_nowait(llm.ChatChunk(id="bench", delta=content))


class Voice(tts.TTS):
    """The fake synthesis: takes text as it comes, and speaks when a reply is whole."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=RATE_HZ, num_channels=1)

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        """Refuse: it only streams."""
        raise TypeError("it only streams")

    def stream(self, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        """Open a stream."""
        return Speech(tts=self, conn_options=conn_options)


class Speech(tts.SynthesizeStream):
    """One answer of it."""

    async def _run(self, output_emitter) -> None:
        output_emitter.initialize(
            request_id="bench", sample_rate=RATE_HZ, num_channels=1, mime_type="audio/pcm", stream=True
        )
        text = ""
        async for part in self._input_ch:
            if not isinstance(part, self._FlushSentinel):
                self._mark_started()
                text += part
            if text.rstrip().endswith("."):
                await self._speak(text, output_emitter)
                text = ""
        if text.strip():
            await self._speak(text, output_emitter)

    async def _speak(self, text: str, output_emitter) -> None:
        await asyncio.sleep(TTS_FIRST_MS / 1000)
        output_emitter.start_segment(segment_id="bench")
        for pcm in chunks(text):
            output_emitter.push(pcm)
        output_emitter.end_segment()


class Line:
    """One call: a session."""

    def __init__(self, ear: callers.Ear) -> None:
        self._source = Source()
        self._session = AgentSession(
            stt=Recogniser(),
            vad=None,
            llm=Model(),
            tts=Voice(),
            turn_handling={"turn_detection": "stt", "endpointing": {"min_delay": 0.0, "max_delay": 0.0}},
            aec_warmup_duration=None,
        )
        self._session.on("error", lambda event: ear.fault(repr(event.error)))
        self._session.input.audio = self._source
        self._session.output.audio = Sink(ear)

    async def open(self) -> None:
        """Start the session."""
        await self._session.start(Agent(instructions="Answer in one sentence."))

    async def send(self, pcm: bytes) -> None:
        """Hand a frame over."""
        self._source.put(pcm)

    async def close(self) -> None:
        """End the session."""
        await self._session.aclose()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(callers.run(Line, callers.parse().parse_args()))
