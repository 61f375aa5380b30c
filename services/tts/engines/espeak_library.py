"""libespeak-ng through ctypes: one text in, samples and marks out.

The library is one set of globals a process: every call holds one lock. Signatures and constants are those of
speak_lib.h of espeak-ng 1.52 (API revision 12).
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import espeakng_loader
import numpy as np

from services.common.audio import Int16
from services.common.errors import EngineFault
from services.tts.engines.espeak_voices import VoiceEntry
from services.tts.timing import Mark

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_EVENT_WORD = 1
_CHARS_UTF8 = 1
_PHONEMES = 0x100
_POS_CHARACTER = 1
_RATE = 1
_BUFFER_MS = 20_000
"""Large, so that the callback, which needs the GIL, is called once a clause and not every 60 ms of speech."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # from 1, in characters
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Speech:
    """What one text became. `marks` are the word events, positions counted from 0 in the text given."""

    samples: Int16
    marks: tuple[Mark, ...]


class EspeakLibrary:
    """The loaded library. Get it from `load_library`: a second initialisation would pull its buffers away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        data_path: str = espeakng_loader.get_data_path()
        self._lib = _declare(ctypes.CDLL(espeakng_loader.get_library_path()))
        self.sample_rate_hz: int = self._lib.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, os.fsencode(data_path), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate_hz <= 0:
            raise EngineFault("espeak-ng did not initialise: its data is missing; reinstall espeakng-loader")
        self.version = self._lib.espeak_Info(None).decode().split()[0]
        self.variants: tuple[str, ...] = tuple(os.listdir(os.path.join(data_path, "voices", "!v")))
        self._pcm: list[bytes] = []
        self._marks: list[Mark] = []
        self._count = 0
        self._should_stop: Callable[[int], bool] = bool
        self._callback = _Callback(self._receive)

    def voices(self) -> list[VoiceEntry]:
        """Return the voices that need nothing but this library (MBROLA ones need theirs)."""
        with self._lock:
            listed = self._lib.espeak_ListVoices(None)
            entries: list[VoiceEntry] = []
            index = 0
            while listed[index]:
                voice = listed[index].contents
                index += 1
                file = voice.identifier.decode()
                if not file.startswith("mb/"):
                    entries.append(VoiceEntry(file, _languages(voice.languages)))
            return entries

    def speak(
        self, text: str, *, voice_file: str, words_per_minute: int, phonemes: bool, should_stop: Callable[[int], bool]
    ) -> Speech:
        """Render `text` and return it whole; `should_stop` is asked once a clause, with the samples so far.

        With `phonemes`, `[[...]]` holds phoneme names. Blocks: call it in a thread. Raises EngineFault.
        """
        raw = text.encode() + b"\0"
        flags = _CHARS_UTF8 | (_PHONEMES if phonemes else 0)
        with self._lock:
            self._pcm, self._marks, self._count, self._should_stop = [], [], 0, should_stop
            # Callback, voice and rate are set every time (75 us): another user of the library in this process, or an
            # aborted text, may have left others behind.
            self._lib.espeak_SetSynthCallback(self._callback)
            if self._lib.espeak_SetVoiceByName(voice_file.encode()) != 0:
                raise EngineFault("espeak-ng refused a voice that it lists")
            self._lib.espeak_SetParameter(_RATE, words_per_minute, 0)
            if self._lib.espeak_Synth(raw, len(raw), 0, _POS_CHARACTER, 0, flags, None, None) != 0:
                raise EngineFault("espeak-ng could not render a phrase")
            return Speech(np.frombuffer(b"".join(self._pcm), dtype="<i2"), tuple(self._marks))

    def _receive(self, wav: int | None, count: int, events: Any) -> int:
        if wav and count:
            self._pcm.append(ctypes.string_at(wav, 2 * count))
            self._count += count
        index = 0
        while (event := events[index]).type:
            if event.type == _EVENT_WORD:
                self._marks.append(Mark(event.text_position - 1, event.sample * 1000 / self.sample_rate_hz))
            index += 1
        return 1 if self._should_stop(self._count) else 0


@functools.cache
def load_library() -> EspeakLibrary:
    """Return the process's one library, initialised at the first call. Raises EngineFault where it cannot be loaded."""
    try:
        return EspeakLibrary()
    except OSError as error:
        raise EngineFault(f"libespeak-ng cannot be loaded: {error}") from error


def _languages(address: int) -> tuple[tuple[int, str], ...]:
    """Read pairs of a priority byte and a zero-terminated name, up to a zero byte; the most preferred comes first."""
    pairs: list[tuple[int, str]] = []
    while priority := ctypes.string_at(address, 1)[0]:
        name = ctypes.string_at(address + 1)
        pairs.append((priority, name.decode()))
        address += len(name) + 2
    return tuple(pairs)


def _declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    text, number = ctypes.c_char_p, ctypes.c_int
    lib.espeak_Initialize.argtypes = [number, number, text, number]
    lib.espeak_Info.argtypes, lib.espeak_Info.restype = [ctypes.c_void_p], text
    lib.espeak_SetSynthCallback.argtypes, lib.espeak_SetSynthCallback.restype = [_Callback], None
    lib.espeak_SetVoiceByName.argtypes = [text]
    lib.espeak_SetParameter.argtypes = [number, number, number]
    lib.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    unsigned = ctypes.c_uint
    lib.espeak_Synth.argtypes = [
        text, ctypes.c_size_t, unsigned, number, unsigned, unsigned, ctypes.c_void_p, ctypes.c_void_p
    ]  # fmt: skip
    return lib
