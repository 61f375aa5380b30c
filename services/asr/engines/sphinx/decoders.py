"""Decoders of a worker process: one general one, and small ones by grammar.

A grammar's decoder has a dictionary of its own words only and loads in about 20 ms with 5 MB; the general one takes
half a second and 90 MB, so it is loaded once, before the workers are forked, and its pages are shared.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from pocketsphinx import Decoder, get_model_path

from services.asr.engines.sphinx.automaton import Automaton, compile_grammar
from services.asr.engines.sphinx.jsgf import parse
from services.asr.engines.sphinx.pronounce import pronunciations
from services.asr.engines.sphinx.reading import Segment
from services.common.audio import Float32

MODEL = "en-us"
MAX_GRAMMARS = 32
"""Grammars a worker keeps compiled; the least recently used goes first."""

# Chosen on 27 sentences in six voices and five recordings (README, "What was measured"): one pass without the second,
# flat search and without the lattice (a final in milliseconds), silence made cheap, long sentences not punished.
_GRAMMAR_OPTIONS: dict[str, Any] = {
    "lm": None, "fwdflat": False, "bestpath": False, "beam": 1e-60, "wbeam": 1e-40, "pbeam": 1e-60, "lw": 5,
    "wip": 0.03, "silprob": 0.1, "topn": 8, "loglevel": "FATAL",
}  # fmt: skip
# Beams tightened for speed: a third of the time of the defaults for few errors more.
_GENERAL_OPTIONS: dict[str, Any] = {
    "fwdflat": False, "bestpath": False, "beam": 1e-45, "wbeam": 1e-25, "pbeam": 1e-45, "maxhmmpf": 4000,
    "loglevel": "FATAL",
}  # fmt: skip

TYPICAL_CEPSTRUM: Float32 = np.array(
    [58.9, -1.3, -11.4, 4.2, -9.9, -3.5, -7.4, -3.3, -4.4, -1.1, 0.1, -2.5, 1.6], dtype=np.float32
)
"""Mean cepstrum over the voices tried: where the normalisation starts before it knows the caller's voice and line."""
_CMN_WINDOW = 500
"""Frames that pocketsphinx counts a set mean for (CMN_WIN in its cmn.h)."""
CMN_FRAMES_MAX = 280
"""Past 800 frames in all pocketsphinx shortens its window, and the utterance's own mean can no longer be told."""


@dataclass(frozen=True, slots=True)
class CepstralMean:
    """Mean of an utterance's cepstra and the frames it was taken over."""

    mean: Float32
    frames: int

    def joined(self, other: CepstralMean) -> CepstralMean:
        """Return the mean over both."""
        frames = self.frames + other.frames
        mean = (self.mean * self.frames + other.mean * other.frames) / max(1, frames)
        return CepstralMean(mean.astype(np.float32), frames)


class Pass:
    """One decoding pass over one stretch of audio: start, feed, look, end."""

    def __init__(self, decoder: Any, mean: Float32) -> None:
        self._decoder = decoder
        self._start_mean = mean
        self.fed_bytes = 0
        decoder.set_cmn(",".join(f"{value:.4f}" for value in mean))
        decoder.start_utt()
        self._running = True

    def feed(self, pcm: bytes) -> None:
        """Decode more audio."""
        if pcm:  # pocketsphinx refuses an empty buffer
            self._decoder.process_raw(pcm)
            self.fed_bytes += len(pcm)

    def segments(self) -> list[Segment]:
        """Return the segmentation so far; after `end`, the final one; empty where there is none."""
        if self._decoder.hyp() is None:
            return []
        return [
            Segment(s.word, s.start_frame, s.end_frame, math.log(max(s.ascore, 1e-300))) for s in self._decoder.seg()
        ]

    def cepstral_mean(self) -> CepstralMean | None:
        """Return the mean cepstrum of what was fed; None where there is too much or nothing of it.

        pocketsphinx tells the mean over what was set (as `_CMN_WINDOW` frames) and what was heard; the first is known.
        """
        frames = int(self._decoder.n_frames())
        if not 0 < frames <= CMN_FRAMES_MAX:
            return None
        told = np.array([float(value) for value in self._decoder.get_cmn(True).split(",")], dtype=np.float32)
        heard = (told * (_CMN_WINDOW + frames) - self._start_mean * _CMN_WINDOW) / frames
        return CepstralMean(heard.astype(np.float32), frames)

    def log_score(self) -> float:
        """Return the logarithm of the best path's score, language included; -inf where there is no path."""
        best = self._decoder.hyp()
        return math.log(max(best.best_score, 1e-300)) if best else -math.inf

    def end(self) -> None:
        """End the pass; a second time changes nothing."""
        if self._running:
            self._running = False
            self._decoder.end_utt()


class GrammarModel:
    """A compiled grammar with its idle decoders."""

    def __init__(self, text: str, lookup: Callable[[str], str | None]) -> None:
        self.automaton: Automaton = compile_grammar(parse(text))
        self._dictionary = "".join(
            f"{word}{f'({n})' if n > 1 else ''} {phones}\n"
            for word in sorted(self.automaton.words)
            for n, phones in enumerate(pronunciations(word, lookup), 1)
        )
        self._idle: list[Any] = []
        self.leased = 0

    def warm(self) -> None:
        """Make sure that one decoder is idle."""
        if not self._idle:
            self._idle.append(self._new())

    def lease(self) -> Any:
        """Return a decoder for one pass at a time."""
        self.leased += 1
        return self._idle.pop() if self._idle else self._new()

    def give_back(self, decoder: Any) -> None:
        """Take a decoder back; its pass must have ended."""
        self.leased -= 1
        self._idle.append(decoder)

    def _new(self) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="utf-8") as dictionary:
            dictionary.write(self._dictionary)
            dictionary.flush()
            decoder = Decoder(hmm=_model_path(MODEL), dict=dictionary.name, **_GRAMMAR_OPTIONS)
        end = len(self.automaton.arcs)
        decoder.add_fsg("grammar", decoder.create_fsg("grammar", 0, end, list(_transitions(self.automaton))))
        decoder.activate_search("grammar")
        return decoder


def _model_path(name: str) -> str:
    return str(get_model_path(os.path.join(MODEL, name)))


def _transitions(automaton: Automaton) -> Iterator[tuple[int, int, float, str] | tuple[int, int, float]]:
    """Yield the grammar's network: from each state every next word is equally likely."""
    end = len(automaton.arcs)
    for state, arcs in enumerate(automaton.arcs):
        for word, target in arcs.items():
            yield state, target, 1.0 / len(arcs), word
        if state in automaton.accepting:
            yield state, end, 1.0


class GeneralHolder(Protocol):
    """Who may lease the general decoder."""

    needs_general: bool
    """Whether it has no other decoder: such a one goes first."""

    def yield_general(self) -> bool:
        """End the pass and return True, so that another can go on; False where it must be kept."""


@dataclass(slots=True)
class Models:
    """Everything a worker decodes with. Made once before the workers are forked."""

    general: Any = field(default_factory=lambda: Decoder(**_GENERAL_OPTIONS))
    _holder: GeneralHolder | None = None
    _grammars: OrderedDict[str, GrammarModel] = field(default_factory=OrderedDict)

    def grammar(self, text: str) -> GrammarModel:
        """Return the compiled grammar of `text`, from the cache where it is there. Raises InvalidInput."""
        key = hashlib.sha256(text.encode()).hexdigest()
        model = self._grammars.get(key)
        if model is None:
            model = GrammarModel(text, self.lookup)
            model.warm()
            self._grammars[key] = model
            for old in [key for key, model in self._grammars.items() if not model.leased][: -MAX_GRAMMARS or None]:
                del self._grammars[old]
        self._grammars.move_to_end(key)
        return model

    def lease_general(self, holder: GeneralHolder) -> Any | None:
        """Return the general decoder, or None while another holds it and may keep it.

        There is one in a worker: a second would cost 90 MB and win nothing, for a worker decodes one thing at a time.
        """
        if self._holder is not None and not (holder.needs_general and self._holder.yield_general()):
            return None
        self._holder = holder
        return self.general

    def give_back_general(self) -> None:
        """Take the general decoder back; its pass must have ended."""
        self._holder = None

    def lookup(self, word: str) -> str | None:
        """Return the phones of a word in the general dictionary, or None."""
        phones: str | None = self.general.lookup_word(word)
        return phones

    def phones(self, word: str) -> tuple[str, ...]:
        """Return the phones of a word in the commonest way to say it."""
        return _first_pronunciation(word, self.lookup)

    def term_phones(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the phones of several words one after the other. Raises InvalidInput for what is no word."""
        return tuple(phone for word in words for phone in self.phones(word))


@lru_cache(maxsize=8192)
def _first_pronunciation(word: str, lookup: Callable[[str], str | None]) -> tuple[str, ...]:
    return tuple(pronunciations(word, lookup)[0].split())
