"""Piper: neural voices (VITS) on onnxruntime, GPU or CPU. Its package is GPL-3.0-or-later and stays in this service.

A phrase's first audio does not wait for its last: sentences are made one by one, and each is decoded in windows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import TypeVar

import numpy as np
from piper.config import PhonemeType

from services.common.onnx_sessions import SessionNeeds
from services.tts.engine import Capabilities, Rendered, SpeakerConfig
from services.tts.engines.piper_catalogue import ChosenVoice, VoiceCatalogue, VoiceEntry
from services.tts.engines.piper_phonemes import Lexicon, Phonemizer
from services.tts.engines.piper_rendering import PhraseRenderer, Piece, Style
from services.tts.engines.piper_voice import Delivery, Voice, VoiceFiles, find_voice, run_options
from services.tts.engines.piper_workers import FairWorkers
from services.tts.settings import TtsSettings
from services.tts.text import Phrase, prepare

log = logging.getLogger(__name__)
T = TypeVar("T")

_MB = 1 << 20
_SESSIONS_A_VOICE = 2
_WARM_UPS = ("1.", "1, 2, 3, 4, 5.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20.")
"""Of several lengths, since the first call of a length is slow on a GPU; digits, which every language can read."""
_MAX_GAIN = 4.0
_NOTHING = Piece(b"", is_last=True)


class PiperEngine:
    """Loads voices, and has a few threads render for all streams."""

    def __init__(self, settings: TtsSettings) -> None:
        self.settings = settings
        self.workers = FairWorkers(settings.piper_workers)
        self.running = 0
        self._voices: dict[str, Voice] = {}
        self._catalogue: VoiceCatalogue | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do. Known once `start` has returned."""
        catalogue = _started(self._catalogue)
        voice = self._voices[catalogue.choose("", "").name]
        spoken = [each.files for each in self._voices.values() if each.config.phoneme_type == PhonemeType.ESPEAK]
        return Capabilities(
            engine="piper",
            model=", ".join(self._voices),
            voices=catalogue.listed,
            native_rate_hz=voice.config.sample_rate,
            ipa_languages=tuple(dict.fromkeys(files.language.partition("-")[0] for files in spoken)),
        )

    async def start(self) -> None:
        """Load every voice, and have each speak.

        Raises InvalidInput where one is missing, or the device is not the one that was asked for; EngineFault.
        """
        await asyncio.to_thread(self._load)

    async def close(self) -> None:
        """Give up the threads and the voices."""
        self.workers.close()
        self._voices = {}

    def speaker(self, config: SpeakerConfig) -> PiperSpeaker:
        """Return a voice for one stream. Raises InvalidInput for an unknown voice, speaker or language."""
        chosen = _started(self._catalogue).choose(config.voice, config.language)
        return PiperSpeaker(self, config, self._voices[chosen.name], chosen)

    def _load(self) -> None:
        settings = self.settings
        found = [find_voice(settings.models_dir, name) for name in settings.piper_voices]
        needs = SessionNeeds(
            device=settings.piper_device,
            setting="PARLEY_TTS_PIPER_DEVICE",
            threads=settings.piper_threads,
            cuda_device=settings.piper_cuda_device,
            gpu_memory_bytes=settings.piper_gpu_memory_mb * _MB // (_SESSIONS_A_VOICE * len(found)),
        )
        catalogue = VoiceCatalogue(
            map(_entry, found), settings.voice if "voice" in settings.model_fields_set else ""
        )  # a default voice that is not there is told before any is loaded
        for files in found:
            voice = self._voices[files.name] = Voice(files, needs, may_stream=settings.piper_streaming)
            self._warm_up(voice)
            log.info(
                "voice loaded",
                extra={
                    "voice": files.name,
                    "provider": voice.provider,
                    "is_streaming": voice.is_streaming,
                    "halo_frames": voice.halo,
                    "decoding_cost": round(voice.cost, 3),
                    "gain": round(voice.gain, 2),
                },
            )
        self._catalogue = catalogue

    def _warm_up(self, voice: Voice) -> None:
        """Say numbers, and set the voice's level by the loudest of it."""
        rate_hz = voice.config.sample_rate
        renderer = self.renderer(voice, SpeakerConfig(rate_hz), voice.config.default_speaker_id, Lexicon((), (), False))
        peak = 0
        for text in _WARM_UPS:
            for piece in renderer.render(prepare(text), run_options()):
                peak = max(peak, int(np.abs(np.frombuffer(piece.pcm, "<i2").astype(np.int32)).max(initial=0)))
        if self.settings.piper_peak and peak:
            voice.gain = min(_MAX_GAIN, self.settings.piper_peak * 32768 / peak)

    def renderer(self, voice: Voice, config: SpeakerConfig, speaker: int, lexicon: Lexicon) -> PhraseRenderer:
        """Return what renders phrases of one stream."""
        settings, own = self.settings, voice.config
        delivery = Delivery(
            speaker=speaker,
            noise_scale=own.noise_scale if settings.piper_noise_scale is None else settings.piper_noise_scale,
            length_scale=own.length_scale / config.speed,
            noise_w_scale=own.noise_w_scale if settings.piper_noise_w_scale is None else settings.piper_noise_w_scale,
        )
        style = Style(
            rate_hz=config.sample_rate_hz,
            first_piece_ms=settings.piper_first_piece_ms,
            longest_piece_ms=settings.piper_longest_piece_ms,
            sentence_pause_ms=settings.piper_sentence_pause_ms / config.speed,
            clause_pause_ms=settings.piper_clause_pause_ms / config.speed,
        )
        phonemizer = Phonemizer(
            own.espeak_voice,
            lexicon,
            is_espeak=own.phoneme_type == PhonemeType.ESPEAK,
            clusters=own.vowel_clusters or (),
        )
        return PhraseRenderer(voice, delivery, style, phonemizer)


class PiperSpeaker:
    """One stream's voice."""

    def __init__(self, engine: PiperEngine, config: SpeakerConfig, voice: Voice, chosen: ChosenVoice) -> None:
        self._engine = engine
        takes_ipa = voice.config.phoneme_type == PhonemeType.ESPEAK
        lexicon = Lexicon(config.pronunciations, voice.config.phoneme_id_map, takes_ipa)
        if lexicon.ignored:
            log.warning(
                "IPA pronunciations ignored: symbols that the voice does not know", extra={"ignored": lexicon.ignored}
            )
        self._renderer = engine.renderer(voice, config, chosen.speaker, lexicon)

    async def render(self, phrase: Phrase) -> AsyncGenerator[Rendered, None]:
        """Render a phrase piece by piece; one that waits is dropped when cancelled, one in work is cut short."""
        options = run_options()
        pieces = self._renderer.render(phrase, options)
        workers = self._engine.workers
        self._engine.running += 1
        try:
            is_first, is_last = True, False
            while not is_last:
                piece, queue_us = await workers.run(
                    partial(next, pieces, _NOTHING),
                    is_first=is_first,
                    abort=partial(setattr, options, "terminate", True),
                )
                is_first, is_last = False, piece.is_last
                yield Rendered(piece.pcm, piece.words, is_last, queue_us)
        finally:
            self._engine.running -= 1


def _entry(files: VoiceFiles) -> VoiceEntry:
    config = files.config
    return VoiceEntry(files.name, files.language, config.speaker_id_map, config.num_speakers, config.default_speaker_id)


def _started(value: T | None) -> T:
    if value is None:
        raise RuntimeError("the engine is not started")
    return value
