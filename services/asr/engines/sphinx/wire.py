"""Messages between the engine and its worker processes: length, kind, stream number, payload."""

from __future__ import annotations

import struct
from enum import IntEnum

HEADER = struct.Struct("<IBI")


class Kind(IntEnum):
    """What a message is. OPEN, PARTIAL and FINALIZE are answered, one at a time in a stream; the others are not."""

    OPEN = 1  # to the worker: JSON, grammar and key terms
    AUDIO = 2  # to the worker: PCM16 at 16 kHz
    PARTIAL = 3  # to the worker: nothing
    FINALIZE = 4  # to the worker: nothing
    RESET = 5  # to the worker: nothing
    CLOSE = 6  # to the worker: nothing
    OPENED = 11  # from the worker: nothing
    REFUSED = 12  # from the worker: why the stream cannot be opened, text
    HEARD = 13  # from the worker: JSON, the words; answers PARTIAL and FINALIZE
    FAULT = 14  # from the worker: why the stream is lost, text
    BEAT = 15  # from the worker: nothing; it is alive, and behind with an answer


def pack(kind: Kind, stream: int, payload: bytes = b"") -> bytes:
    """Return one message as bytes."""
    return HEADER.pack(len(payload), kind, stream) + payload
