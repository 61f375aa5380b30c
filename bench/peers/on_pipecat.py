# mypy: ignore-errors
# pipecat-ai is not in the environment that types are checked in: it has one of its own (bench/peers/venvs.py).
"""Pipecat with the shared fake stages, in one process: `python -m bench.peers.on_pipecat` in its environment.

A pipeline as its examples build it: transport, recogniser, context aggregators, model, synthesis, transport, with a
transport that hands frames over in memory and paces what it sends as Pipecat's websocket transport does. The recogniser
proposes turns as Pipecat's own services with turn detection do (ExternalUserTurnStrategies). The output rate is that of
the audio, so that nothing is resampled; everything else is its default. With `--stages`, the recogniser, detector,
model and synthesis are Parley's services over gRPC (bench/peers/pipecat_grpc.py).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

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

READY_S = 20.0
_LLM_FIELDS = (
    *("system_instruction", "temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty"),
    *("seed", "filter_incomplete_user_turns", "user_turn_completion_config"),
)
"""Settings that a service must give, be it as None."""


class Input(BaseInputTransport):
    """The caller's audio."""

    async def start(self, frame: StartFrame) -> None:
        """Begin to take frames."""
        await super().start(frame)
        await self.set_transport_ready(frame)


class Output(BaseOutputTransport):
    """The caller's loudspeaker, paced as in pipecat/transports/websocket/server.py."""

    def __init__(self, params: TransportParams, ear: callers.Ear) -> None:
        super().__init__(params)
        self._ear = ear
        self._interval_s = 0.0
        self._next_s = 0.0
        self.is_ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        """Begin to send frames."""
        await super().start(frame)
        self._interval_s = self.audio_chunk_size / (self.sample_rate * 2)
        await self.set_transport_ready(frame)
        self.is_ready.set()

    async def process_frame(self, frame: Frame, direction) -> None:
        """Tell the caller of an interruption once it has been acted on, as a serializer would."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._ear.silence()
            self._next_s = 0.0

    async def write_audio_frame(self, frame) -> bool:
        """Send a piece of audio, and wait as long as a clock would."""
        self._ear.audio()
        wait_s = max(0.0, self._next_s - time.monotonic())
        await asyncio.sleep(wait_s)
        self._next_s = self._next_s + self._interval_s if wait_s else time.monotonic() + self._interval_s
        return True


class Recogniser(STTService):
    """The fake recogniser, with the fake turn detector in it."""

    def __init__(self) -> None:
        super().__init__(settings=STTSettings(model="fake", language=None))
        self._detector = Detector()
        self._final = None

    @property
    def supports_ttfs(self) -> bool:
        """Say that it decides about turns itself."""
        return False

    async def run_stt(self, audio: bytes):
        """Take a frame."""
        for sound in self._detector.hear(audio):
            match sound:
                case Sound.STARTED:
                    await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
                case Sound.WORD:
                    await self.push_frame(InterimTranscriptionFrame(self._detector.words, "caller", time_now_iso8601()))
                case Sound.STOPPED:
                    self._final = self.create_task(asyncio.sleep(ASR_FINAL_MS / 1000))
                case Sound.ENDED:
                    self.create_task(self._finish(self._final))
        yield None

    async def _finish(self, final) -> None:
        await final
        await self.push_frame(TranscriptionFrame(HEARD, "caller", time_now_iso8601(), finalized=True))
        await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class Model(LLMService):
    """The fake language model."""

    def __init__(self) -> None:
        super().__init__(settings=LLMSettings(**dict.fromkeys(_LLM_FIELDS), model="fake"))

    async def process_frame(self, frame: Frame, direction) -> None:
        """Answer a context, as pipecat/services/openai/base_llm.py does."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self.start_processing_metrics()
            await self.say(frame.context)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    async def say(self, context: LLMContext) -> None:
        """Push the reply."""
        await asyncio.sleep(LLM_FIRST_MS / 1000)
        for delta in deltas():
            await self._push_llm_text(delta)


class Voice(TTSService):
    """The fake synthesis."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=RATE_HZ,
            settings=TTSSettings(model="fake", voice="fake", language=None),
        )

    async def run_tts(self, text: str, context_id: str):
        """Speak a sentence."""
        await asyncio.sleep(TTS_FIRST_MS / 1000)
        for pcm in chunks(text):
            yield TTSAudioRawFrame(pcm, RATE_HZ, 1, context_id=context_id)


@dataclass(frozen=True)
class Stages:
    """What makes a call's stages."""

    recogniser: Callable[[], FrameProcessor] = Recogniser
    model: Callable[[], FrameProcessor] = Model
    voice: Callable[[], FrameProcessor] = Voice


class Line:
    """One call: a pipeline."""

    def __init__(self, ear: callers.Ear, runner: WorkerRunner, stages: Stages) -> None:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        self._runner = runner
        self._input, self._output = Input(params), Output(params, ear)
        context = LLMContext([{"role": "system", "content": "Answer in one sentence."}])
        aggregators = LLMContextAggregatorPair(
            context, user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        )
        pipeline = Pipeline(
            [
                self._input,
                stages.recogniser(),
                aggregators.user(),
                stages.model(),
                stages.voice(),
                self._output,
                aggregators.assistant(),
            ]
        )
        self._worker = PipelineWorker(
            pipeline, params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
        )
        self._worker.add_event_handler("on_pipeline_error", lambda _, frame: ear.fault(str(frame)))

    async def open(self) -> None:
        """Start the pipeline."""
        await self._runner.add_workers(self._worker)
        async with asyncio.timeout(READY_S):
            await self._output.is_ready.wait()

    async def send(self, pcm: bytes) -> None:
        """Hand a frame over."""
        await self._input.push_audio_frame(InputAudioRawFrame(pcm, RATE_HZ, 1))

    async def close(self) -> None:
        """End the pipeline."""
        await self._worker.cancel()


async def _main() -> None:
    parser = callers.parse()
    parser.add_argument("--stages", default="", help="JSON: host:port of Parley's asr, turn, llm and tts")
    options = parser.parse_args()
    stages = Stages()
    if options.stages:
        from bench.peers import pipecat_grpc

        stages = Stages(*pipecat_grpc.stages(options.stages))
    runner = WorkerRunner(handle_sigint=False)
    running = asyncio.create_task(runner.run(auto_end=False))
    await callers.run(lambda ear: Line(ear, runner, stages), options)
    await runner.cancel()
    await asyncio.wait({running}, timeout=callers.PARTING_S)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    asyncio.run(_main())
