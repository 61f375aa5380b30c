"""pocketsphinx: the embedded default. Its wheel carries an English model; nothing is downloaded.

It holds the GIL while it decodes, so it runs in processes (`sphinx/`): a pool whose workers share the loaded model.
Good at what an agent's grammar expects; its general model is poor on short free speech (services/asr/README.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from services.asr.engine import AsrCapabilities, Recognised, StreamOptions, Word
from services.asr.engines.sphinx.pool import Pool, WorkerLink
from services.asr.engines.sphinx.wire import Kind
from services.asr.settings import AsrSettings
from services.common.audio import StreamResampler
from services.common.errors import InvalidInput, Overloaded
from services.common.language_tags import primary_subtag

MODEL_RATE_HZ = 16_000
LANGUAGE = "en-US"


class Pocketsphinx:
    """The engine: a pool of decoding processes."""

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._pool = Pool(
            settings.pocketsphinx_workers, settings.pocketsphinx_start_timeout_ms, settings.pocketsphinx_warm_grammars
        )
        self._capacity = settings.pocketsphinx_workers * settings.pocketsphinx_streams_per_worker
        self.running = 0
        self.capabilities = AsrCapabilities(
            engine="pocketsphinx",
            model="en-us",
            takes_grammar=True,
            takes_key_terms=True,
            capacity_streams=self._capacity,
        )

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return self._pool.pids

    async def start(self) -> None:
        """Load the model and start the workers."""
        await self._pool.start()

    async def open(self, options: StreamOptions) -> PocketsphinxStream:
        """Open a stream. Raises InvalidInput for another language or a faulty grammar, Overloaded where it is full."""
        if options.language and primary_subtag(options.language) != "en":
            raise InvalidInput(
                f"language {options.language!r}: this recogniser knows English only, such as {LANGUAGE!r}"
            )
        if self.running >= self._capacity:
            raise Overloaded(f"all {self._capacity} recognition streams are taken")
        link, number = self._pool.pick()
        terms = [{"text": term.text, "boost": term.boost} for term in options.key_terms]
        asked = json.dumps({"grammar": options.grammar, "terms": terms}).encode()
        self.running += 1
        link.streams += 1
        stream = PocketsphinxStream(self, link, number, options)
        try:
            await link.ask(Kind.OPEN, number, self._settings.engine_timeout_ms, asked)
        except BaseException:
            await stream.close()
            raise
        return stream

    async def close(self) -> None:
        """End the workers."""
        await self._pool.close()

    @property
    def timeout_ms(self) -> int:
        """How long a worker may take to answer before it is replaced: less than the service waits for the engine."""
        return max(1, self._settings.engine_timeout_ms - 500)


class PocketsphinxStream:
    """One stream, in one worker for as long as it lasts."""

    uses_key_terms: bool
    uses_grammar: bool
    languages: Sequence[str] = ()

    def __init__(self, engine: Pocketsphinx, link: WorkerLink, number: int, options: StreamOptions) -> None:
        self._engine = engine
        self._link = link
        self._number = number
        self._rate_hz = options.sample_rate_hz
        self._resampler = StreamResampler(options.sample_rate_hz, MODEL_RATE_HZ)
        self._is_closed = False
        self.uses_grammar = bool(options.grammar)
        self.uses_key_terms = bool(options.key_terms)

    async def accept(self, pcm: bytes) -> None:
        """Hand audio to the worker."""
        if resampled := self._resampler.process(pcm):
            await self._link.send(Kind.AUDIO, self._number, resampled)

    async def partial(self) -> Recognised:
        """Ask what is heard so far."""
        return await self._ask(Kind.PARTIAL)

    async def finalize(self) -> Recognised:
        """Ask for the final text so far."""
        return await self._ask(Kind.FINALIZE)

    async def _ask(self, kind: Kind) -> Recognised:
        _, payload = await self._link.ask(kind, self._number, self._engine.timeout_ms)
        answer = json.loads(payload)
        words = tuple(Word(text, start, end, confidence) for text, start, end, confidence in answer["words"])
        return Recognised(
            text=" ".join(word.text for word in words),
            confidence=answer["confidence"],
            words=words,
            matches_grammar=answer["matches_grammar"],
            is_settled=answer["is_settled"],
            language=LANGUAGE,
            engine_ms=answer["engine_ms"],
        )

    async def reset(self) -> None:
        """Begin another utterance."""
        self._resampler = StreamResampler(self._rate_hz, MODEL_RATE_HZ)
        await self._link.send(Kind.RESET, self._number)

    async def close(self) -> None:
        """Let the worker forget the stream."""
        if self._is_closed:
            return
        self._is_closed = True
        self._engine.running -= 1
        self._link.streams -= 1
        self._link.forget(self._number)
