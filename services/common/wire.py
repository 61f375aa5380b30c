"""Audio messages as bytes, so that they are forwarded without a parse.

Every request that carries audio has it in field 1, `repeated bytes`: a serialised audio message is the tag 0x0A, a
varint length and the samples, and such messages concatenated are again a valid message.
"""

from __future__ import annotations

AUDIO_TAG = 0x0A


def varint(value: int) -> bytes:
    """Return `value` as a protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_audio(pcm: bytes) -> bytes:
    """Return a serialised request that carries just this chunk of audio."""
    return b"\x0a" + varint(len(pcm)) + pcm


def encode_agent_audio(turn_epoch: int, offset_ms: int, pcm: bytes) -> bytes:
    """Return a serialised ConverseResponse with AgentAudio: the one response sent ten times a second a call."""
    body = b"\x08" + varint(turn_epoch) + b"\x10" + varint(offset_ms) + b"\x1a" + varint(len(pcm))
    return b"\x0a" + varint(len(body) + len(pcm)) + body + pcm


def audio_span(raw: bytes) -> tuple[int, int] | None:
    """Return (start, end) of the samples, where `raw` is one audio chunk and nothing else; otherwise None.

    A message that is more than one chunk, or that holds anything else, goes through the parser.
    """
    size = len(raw)
    if size < 2 or raw[0] != AUDIO_TAG:
        return None
    length = raw[1]
    start = 2
    if length > 0x7F:
        length &= 0x7F
        shift = 7
        while True:
            if start >= size or shift > 28:
                return None
            byte = raw[start]
            start += 1
            length |= (byte & 0x7F) << shift
            if byte <= 0x7F:
                break
            shift += 7
    return (start, size) if start + length == size else None
