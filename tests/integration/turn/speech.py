"""Speech for the tests, made on the spot with espeak-ng: nothing recorded is kept in the tree."""

from __future__ import annotations

import ctypes
import functools
import threading

import espeakng_loader

from services.common.audio import StreamResampler

_SYNCHRONOUS, _UTF8, _RATE_WPM = 2, 1, 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()


class _Espeak:
    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        self._pcm = bytearray()
        self._callback = _CALLBACK(self._take)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0

    def say(self, text: str, voice: str, words_per_minute: int) -> bytes:
        self._pcm.clear()
        # The library holds one callback a process, and the synthesis engine's tests set theirs.
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(_RATE_WPM, words_per_minute, 0)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
        return bytes(self._pcm)


@functools.cache
def _espeak() -> _Espeak:
    return _Espeak()


@functools.cache
def say(text: str, rate_hz: int = 16000, voice: str = "en-us", words_per_minute: int = 160) -> bytes:
    """Return `text` as PCM16, without the silence around it."""
    with _lock:
        pcm = _espeak().say(text, voice, words_per_minute)
    pcm = StreamResampler(_espeak().rate_hz, rate_hz).process(pcm, last=True)
    loud = [
        at for at in range(0, len(pcm) - 1, 2) if abs(int.from_bytes(pcm[at : at + 2], "little", signed=True)) > 100
    ]
    return pcm[loud[0] : loud[-1] + 2]


def silence(duration_ms: float, rate_hz: int = 16000) -> bytes:
    """Return digital silence."""
    return bytes(2 * round(duration_ms * rate_hz / 1000))
