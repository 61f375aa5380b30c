"""faster-whisper (CTranslate2): Whisper on a GPU, or a small one on a CPU, made to stream (`whisper/`).

Sources: Radford et al. 2022 (Whisper; thresholds), Macháček et al. 2023 (LocalAgreement-2), faster-whisper 1.2 and
CTranslate2 4.8 (batches, prompts, alignment). services/asr/README.md says how it works and what was measured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from services.asr.engine import AsrCapabilities, Recognised, StreamOptions
from services.asr.engines.whisper.hearing import RATE_HZ, Answer, Hearing, StreamSetup
from services.asr.engines.whisper.language import language_choice
from services.asr.engines.whisper.model import NEEDS, ModelOptions, Whisper, load_whisper
from services.asr.engines.whisper.prompt import term_tokens
from services.asr.engines.whisper.queue import Urgency
from services.asr.engines.whisper.scheduler import Job, Scheduler
from services.asr.engines.whisper.verdict import Thresholds
from services.asr.settings import AsrSettings
from services.common.audio import StreamResampler
from services.common.errors import EngineFault, Overloaded
from services.common.models import locate_model

log = logging.getLogger(__name__)


class FasterWhisper:
    """The engine: one model, one scheduler."""

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._whisper: Whisper | None = None
        self._scheduler: Scheduler | None = None
        self._streams = 0
        self.running = 0
        self.capabilities = AsrCapabilities(
            engine="faster-whisper",
            model=settings.faster_whisper_model,
            takes_grammar=False,
            takes_key_terms=True,
            capacity_streams=settings.faster_whisper_max_streams,
        )

    @property
    def pending(self) -> int:
        """Decodes that wait or run."""
        return self._scheduler.pending if self._scheduler else 0

    async def start(self) -> None:
        """Load the model and decode once. Raises InvalidInput where the model or the device is not there."""
        settings = self._settings
        folder = locate_model(
            settings.models_dir, settings.faster_whisper_model, NEEDS, setting="PARLEY_ASR_FASTER_WHISPER_MODEL"
        )
        options = ModelOptions(
            folder=folder,
            device=settings.faster_whisper_device,
            device_index=settings.faster_whisper_device_index,
            compute_type=settings.faster_whisper_compute_type,
            workers=settings.faster_whisper_workers,
            batch_size=settings.faster_whisper_batch_size,
            cpu_threads=settings.faster_whisper_cpu_threads,
            beam_size=settings.faster_whisper_beam_size,
            context_ms=settings.faster_whisper_context_ms,
            languages=settings.faster_whisper_languages,
        )
        self._whisper = await asyncio.to_thread(load_whisper, options)
        self._scheduler = Scheduler(
            self._whisper.decode,
            workers=self._whisper.workers,
            batch_size=self._whisper.batch_size,
            max_queue=settings.faster_whisper_max_queue,
            timeout_s=settings.faster_whisper_decode_timeout_ms / 1000,
        )
        self._scheduler.start()
        log.info("whisper loaded", extra={"device": self._whisper.device, "compute_type": self._whisper.compute_type})

    async def open(self, options: StreamOptions) -> FasterWhisperStream:
        """Open a stream. Raises InvalidInput for a language the model lacks, Overloaded where it is full."""
        if self._whisper is None or self._scheduler is None:
            raise EngineFault("the recogniser is not started")
        self._scheduler.check()
        language = language_choice(options.language, options.languages, self._whisper.languages)
        limit = self._settings.faster_whisper_max_streams
        if self.running >= limit:
            raise Overloaded(f"all {limit} recognition streams are taken")
        if self._scheduler.is_full:
            raise Overloaded("the recogniser has more to decode than it can take")
        self._streams += 1
        self.running += 1
        hearing = Hearing(
            self._setup(self._whisper),
            language,
            term_tokens(options.key_terms, self._whisper.encode_text),
        )
        return FasterWhisperStream(self, self._scheduler, self._settings, options, hearing, self._streams)

    def _setup(self, whisper: Whisper) -> StreamSetup:
        settings = self._settings
        thresholds = Thresholds(settings.faster_whisper_no_speech, settings.faster_whisper_log_probability)
        return StreamSetup(
            window_ms=min(settings.faster_whisper_window_ms, whisper.window_ms),
            thresholds=thresholds,
            start_of_previous=whisper.start_of_previous,
            with_punctuation=settings.faster_whisper_punctuation,
        )

    async def close(self) -> None:
        """Stop decoding and let the model go."""
        if self._scheduler is not None:
            await self._scheduler.close()
        self._scheduler = self._whisper = None


class FasterWhisperStream:
    """One caller's stream: one decode at a time, waiting or running."""

    uses_grammar = False

    def __init__(
        self,
        engine: FasterWhisper,
        scheduler: Scheduler,
        settings: AsrSettings,
        options: StreamOptions,
        hearing: Hearing,
        number: int,
    ) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._settings = settings
        self._rate_hz = options.sample_rate_hz
        self._hearing = hearing
        self._number = number
        self._resampler = StreamResampler(self._rate_hz, RATE_HZ)
        self._job: Job | None = None
        self._waiting_since_s: float | None = None
        self._fault: EngineFault | None = None
        self._is_closed = False
        self.uses_key_terms = bool(options.key_terms)
        self.languages = hearing.languages

    async def accept(self, pcm: bytes) -> None:
        """Take audio; where the caller has fallen silent, have the tail decoded before anybody asks."""
        hearing = self._hearing
        hearing.accept(self._resampler.process(pcm))
        if hearing.is_covered or hearing.silence_ms < self._settings.faster_whisper_closing_ms:
            return
        if self._is_asked:
            if self._job is not None:
                self._scheduler.hurry(self._job, Urgency.CLOSING)
        else:
            self._submit(Urgency.CLOSING)

    async def partial(self) -> Recognised:
        """Return the newest hypothesis, after a short wait for one that is on its way; never for long."""
        self._check()
        hearing = self._hearing
        if not hearing.is_covered and hearing.unasked_ms >= self._settings.faster_whisper_partial_ms:
            self._submit(Urgency.PARTIAL)
        job = self._job
        if job is not None and self._settings.faster_whisper_partial_wait_ms:
            await asyncio.wait({job.answered}, timeout=self._settings.faster_whisper_partial_wait_ms / 1000)
            self._check()
        return hearing.recognised(*(() if job is None else (job.queue_ms, job.engine_ms)))

    async def finalize(self) -> Recognised:
        """Return the text of all that was said: what is known where it covers that, else the tail is decoded."""
        self._check()
        queue_ms = engine_ms = 0.0
        while not self._hearing.is_covered:
            job = self._final_job()
            try:
                await asyncio.wait({job.answered})
            finally:
                if not job.answered.done():
                    self._drop()
            self._check()
            queue_ms, engine_ms = queue_ms + job.queue_ms, engine_ms + job.engine_ms
        return self._hearing.recognised(queue_ms, engine_ms)

    async def reset(self) -> None:
        """Begin another utterance; a decode of the old one is forgotten."""
        self._check()
        self._drop()
        self._hearing.reset()
        self._resampler = StreamResampler(self._rate_hz, RATE_HZ)

    async def close(self) -> None:
        """Take the stream's decode out of the queue, or drop its answer."""
        if self._is_closed:
            return
        self._is_closed = True
        self._drop()
        self._engine.running -= 1

    # --- decodes ------------------------------------------------------------------------------------------------------

    @property
    def _is_asked(self) -> bool:
        """Whether a decode that covers all speech so far is on its way."""
        job = self._job
        return job is not None and job.question.covers_ms >= self._hearing.speech_end_ms

    def _final_job(self) -> Job:
        """Return the decode to wait for: the one on its way where it covers all, else a new one."""
        if self._is_asked and self._job is not None:
            self._scheduler.hurry(self._job, Urgency.FINAL)
            return self._job
        self._drop()  # one that runs goes on, unheard: the final does not wait for it
        job = self._submit(Urgency.FINAL)
        if job is None:
            raise EngineFault("the decode was not taken")
        return job

    def _submit(self, urgency: Urgency) -> Job | None:
        """Ask the next question, unless a decode runs; a waiting one is replaced. None: not asked."""
        if self._job is not None:
            if self._job.is_running:
                return None
            self._drop()
        since_s = self._waiting_since_s = self._waiting_since_s or time.perf_counter()
        job = Job(self._number, urgency, self._hearing.ask(), since_s)
        self._job = job
        job.answered.add_done_callback(lambda answered: self._on_answer(job, answered))
        try:
            taken = self._scheduler.submit(job)
        except BaseException:
            self._drop()
            raise
        return job if taken else None

    def _on_answer(self, job: Job, answered: asyncio.Future[Answer]) -> None:
        if self._job is not job:
            return
        self._job = None
        if answered.cancelled():
            self._hearing.abandon(job.question)
        elif isinstance(error := answered.exception(), EngineFault):
            self._fault = error
        else:
            self._waiting_since_s = None
            self._learn(job, answered.result())

    def _learn(self, job: Job, answer: Answer) -> None:
        try:
            self._hearing.learn(job.question, answer)
        except Exception as error:  # in a callback of a future it would be logged, and the question asked for ever
            log.exception("an answer cannot be used")
            self._fault = EngineFault(f"an answer cannot be used: {type(error).__name__}")

    def _drop(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self._hearing.abandon(job.question)
            with suppress(asyncio.InvalidStateError):
                self._scheduler.cancel(job)

    def _check(self) -> None:
        """Raise what went wrong since the last call."""
        if self._fault is not None:
            raise self._fault
        self._scheduler.check()
