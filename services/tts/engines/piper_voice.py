"""A Piper voice as it is loaded: its settings, its sessions, and what was found out about it before it may speak."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from piper.config import PhonemeType, PiperConfig

from services.common.audio import Float32
from services.common.errors import EngineDead, EngineFault, InvalidInput
from services.common.models import locate_model
from services.common.onnx_sessions import SessionNeeds, open_session
from services.tts.engines.piper_graph import NotSplittable, cut, latents, read_graph
from services.tts.engines.piper_stream import Pace, Window, windows

log = logging.getLogger(__name__)

SETTING = "PARLEY_TTS_PIPER_VOICES"
_PAD, _BOS, _EOS = "_", "^", "$"
_TRIED_LATENTS = 3
_PROBE_FRAMES = 128
_TIMED_RUNS = 3
_FORGETTING = 0.1
"""Weight of the last decoding in what decoding costs: a machine is busy at one time and not at another."""
_TOUCHED = 1e-4
_SAME = 1e-2
"""Of the peak: what counts as touched by a change of one frame; how far audio in pieces may be from audio decoded at
once (a GPU may take another algorithm for another length; a cut in the wrong place is off by the peak itself)."""


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """A voice on disk."""

    name: str
    model: Path
    config: PiperConfig
    language: str
    """Such as "en-us"."""


def find_voice(models_dir: Path, name: str) -> VoiceFiles:
    """Return the voice in the folder `name`. Raises InvalidInput that says what fetches it, or what it lacks."""
    base = Path(name).name
    folder = locate_model(models_dir, name, [f"{base}.onnx", f"{base}.onnx.json"], setting=SETTING)
    try:
        settings = json.loads((folder / f"{base}.onnx.json").read_text("utf-8"))
        config = PiperConfig.from_dict(settings)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{SETTING}: {base}.onnx.json is no configuration of a Piper voice: fetch it again"
        ) from error
    if config.phoneme_type not in (PhonemeType.ESPEAK, PhonemeType.TEXT) or config.espeak_voice == "ar":
        raise InvalidInput(f"{SETTING}: voice {base!r} needs more than espeak-ng to read its language: choose another")
    missing = [mark for mark in (_PAD, _BOS, _EOS) if mark not in config.phoneme_id_map]
    if missing:
        raise InvalidInput(f"{SETTING}: voice {base!r} has no phoneme {missing[0]!r}: it is no Piper voice")
    code = str(settings.get("language", {}).get("code") or config.espeak_voice)
    return VoiceFiles(base, folder / f"{base}.onnx", config, code.lower().replace("_", "-"))


@dataclass(frozen=True, slots=True)
class PhonemeIds:
    """A sentence as the model takes it."""

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    """Where each phoneme begins among them, and last where the end mark does: one more than there are phonemes."""


def to_ids(phonemes: Sequence[str], config: PiperConfig) -> PhonemeIds:
    """Return phonemes as ids with a pad after each, as piper's own phonemes_to_ids; what it lacks is left out."""
    known = config.phoneme_id_map
    ids = [*known[_BOS], *known[_PAD]]
    starts: list[int] = []
    for phoneme in phonemes:
        starts.append(len(ids))
        if phoneme in known:
            ids += [*known[phoneme], *known[_PAD]]
    return PhonemeIds((*ids, *known[_EOS]), (*starts, len(ids)))


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a sentence is to be said."""

    speaker: int
    noise_scale: float
    length_scale: float
    noise_w_scale: float


class Voice:
    """A voice that is loaded. Its calls block, free of the GIL, and may run in several threads at once."""

    def __init__(self, files: VoiceFiles, needs: SessionNeeds, *, may_stream: bool = True) -> None:
        self.files = files
        self.config = files.config
        self.gain = 1.0
        """What brings the voice to its level; the same for all it says, since a peak is known only at the end."""
        self.hop = files.config.hop_length
        """Samples a frame."""
        self.halo = 0
        """Frames to either side that a frame's audio depends on."""
        self.cost = 0.0
        """Time that decoding takes, as a share of the time that the audio lasts: what it lately was."""
        self._latent = ""
        self._encoder: Any = None
        self._decoder: Any = None
        self._open(needs, may_stream)

    @property
    def is_streaming(self) -> bool:
        """Whether it decodes a sentence piece by piece."""
        return self._decoder is not None

    @property
    def provider(self) -> str:
        """The execution provider that onnxruntime gave."""
        return str(self._encoder.get_providers()[0])

    def encode(self, ids: Sequence[int], how: Delivery, run: Any) -> tuple[Float32, Float32 | None]:
        """Return the sentence's latent [1, C, F], and the frames of each id [T]; where it does not stream, audio [N].

        Frames are None for a voice that does not tell them. Raises EngineFault, EngineDead.
        """
        feeds = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([how.noise_scale, how.length_scale, how.noise_w_scale], np.float32),
        }
        made, *timed = self._run(self._encoder, feeds, how.speaker, run)
        frames = timed[0].reshape(-1).astype(np.float32) if timed and timed[0].size == len(ids) else None
        return (made if self.is_streaming else made.reshape(-1)), frames

    def decode(self, latent: Float32, speaker: int, run: Any) -> Float32:
        """Return the audio of a latent, [N]. Raises EngineFault, EngineDead."""
        audio: Float32 = self._run(self._decoder, {self._latent: latent}, speaker, run)[0].reshape(-1)
        return audio

    def check(self) -> None:
        """Say the shortest sentence there is. Raises what onnxruntime raises."""
        ids = to_ids((), self.config).ids
        feeds = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([0.0, 1.0, 0.0], np.float32),
        }
        made = self._encoder.run(None, self._with_speaker(self._encoder, feeds, 0))[0]
        if self._decoder is not None:
            self._decoder.run(None, self._with_speaker(self._decoder, {self._latent: made}, 0))

    def _run(self, session: Any, feeds: dict[str, Any], speaker: int, run: Any) -> list[Any]:
        try:
            made: list[Any] = session.run(None, self._with_speaker(session, feeds, speaker), run)
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            if not getattr(run, "terminate", False):
                self._die_unless_alive(error)
            raise EngineFault(f"the voice failed at a sentence ({type(error).__name__})") from error
        return made

    def _die_unless_alive(self, error: Exception) -> None:
        """Tell a sentence that cannot be said from a device that is gone, on which nothing runs any more."""
        try:
            self.check()
        except Exception as again:
            raise EngineDead(f"{self.provider} is lost ({type(again).__name__})") from error

    def _with_speaker(self, session: Any, feeds: dict[str, Any], speaker: int) -> dict[str, Any]:
        if any(given.name == "sid" for given in session.get_inputs()):
            return feeds | {"sid": np.array([speaker], np.int64)}
        return feeds

    def _open(self, needs: SessionNeeds, may_stream: bool) -> None:
        try:
            graph = read_graph(self.files.model.read_bytes())
        except NotSplittable:
            self._encoder = open_session(self.files.model, needs)
            return
        duration = [graph.duration] if graph.duration else []
        try:
            for latent in latents(graph)[:_TRIED_LATENTS] if may_stream else ():
                if self._open_halves(cut(graph, [latent, *duration]), cut(graph, [graph.audio], latent), latent, needs):
                    return
        except NotSplittable as error:
            log.info("the voice decodes whole sentences: %s", error, extra={"voice": self.files.name})
        self._latent, self._decoder, self.hop = "", None, self.config.hop_length
        self._encoder = open_session(cut(graph, [graph.audio, *duration]), needs)

    def _open_halves(self, encoder: bytes, decoder: bytes, latent: str, needs: SessionNeeds) -> bool:
        """Open both halves, and return whether the second gives the same audio in pieces: tried, not assumed."""
        self._latent = latent
        self._encoder = open_session(encoder, needs)
        self._decoder = open_session(decoder, needs)
        try:
            channels = self.encode(to_ids((), self.config).ids, Delivery(0, 0.0, 1.0, 0.0), None)[0].shape[1]
            self.halo = self._measured_halo(channels)
        except (EngineFault, IndexError) as error:
            log.info("a cut of the voice does not run: %s", error, extra={"voice": self.files.name})
            return False
        return self.halo >= 0

    def _measured_halo(self, channels: int) -> int:
        """Return how far the audio of one frame reaches, or -1 where pieces do not give what the whole does."""
        random = np.random.default_rng(0)
        latent = random.standard_normal((1, channels, _PROBE_FRAMES)).astype(np.float32)
        whole = self.decode(latent, 0, None)
        self.hop = len(whole) // _PROBE_FRAMES
        if not self.hop or len(whole) % _PROBE_FRAMES:
            return -1
        middle = _PROBE_FRAMES // 2
        changed = latent.copy()
        changed[:, :, middle] += 1
        peak = float(np.abs(whole).max())
        touched = np.flatnonzero(np.abs(self.decode(changed, 0, None) - whole) > _TOUCHED * peak)
        frames = touched // self.hop
        if not len(frames) or frames[0] <= 0 or frames[-1] >= _PROBE_FRAMES - 1:
            return -1
        self.cost = self._measured_cost(latent)
        halo = int(max(middle - frames[0], frames[-1] - middle)) + 1
        pieces = np.concatenate(
            [self.decode_part(latent, part, 0, None) for part in windows(_PROBE_FRAMES, Pace(8, 32, halo, 0.0))]
        )
        return halo if np.abs(pieces - whole).max() <= _SAME * peak else -1

    def _measured_cost(self, latent: Float32) -> float:
        return min(self._timed_decode(latent, 0, None)[1] for _ in range(_TIMED_RUNS))

    def _timed_decode(self, latent: Float32, speaker: int, run: Any) -> tuple[Float32, float]:
        began_s = time.perf_counter()
        audio = self.decode(latent, speaker, run)
        took_s = time.perf_counter() - began_s
        return audio, took_s * self.config.sample_rate / (latent.shape[2] * self.hop)

    def decode_part(self, latent: Float32, part: Window, speaker: int, run: Any) -> Float32:
        """Return the audio of a window of a latent, without that of the frames around it."""
        frames = latent[:, :, part.start - part.before : part.end + part.after]
        audio, cost = self._timed_decode(frames, speaker, run)
        self.cost += _FORGETTING * (cost - self.cost)
        return audio[part.before * self.hop : len(audio) - part.after * self.hop]


def run_options() -> Any:
    """Return options of calls that setting `terminate` ends at once, between two nodes of the graph."""
    return onnxruntime.RunOptions()
