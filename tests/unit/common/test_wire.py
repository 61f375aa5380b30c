"""Audio messages as bytes, against protobuf's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice.asr.v1 import asr_pb2
from voice.orchestrator.v1 import orchestrator_pb2
from voice.turn.v1 import turn_pb2

from services.common.wire import audio_span, encode_agent_audio, encode_audio, varint

pytestmark = pytest.mark.unit


@given(st.binary(max_size=70_000))
def test_what_is_encoded_here_is_what_protobuf_encodes(pcm: bytes) -> None:
    assert encode_audio(pcm) == asr_pb2.RecognizeRequest(audio=[pcm]).SerializeToString()


@pytest.mark.parametrize(
    "request_type", [asr_pb2.RecognizeRequest, turn_pb2.DetectRequest, orchestrator_pb2.ConverseRequest]
)
@given(chunks=st.lists(st.binary(max_size=3000), min_size=1, max_size=4))
def test_every_request_with_audio_reads_it_and_writes_it_alike(request_type: type[Any], chunks: list[bytes]) -> None:
    raw = b"".join(map(encode_audio, chunks))
    parsed = request_type.FromString(raw)
    assert list(parsed.audio) == chunks
    assert parsed.SerializeToString() == raw
    span = audio_span(raw)
    assert (span is not None) == (len(chunks) == 1)
    assert span is None or raw[span[0] : span[1]] == chunks[0]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_messages_concatenated_are_one_message(chunks: list[bytes]) -> None:
    batch = b"".join(orchestrator_pb2.ConverseRequest(audio=[chunk]).SerializeToString() for chunk in chunks)
    assert list(asr_pb2.RecognizeRequest.FromString(batch).audio) == chunks


@given(st.binary(max_size=70_000))
def test_the_span_of_one_chunk_is_found(pcm: bytes) -> None:
    raw = encode_audio(pcm)
    span = audio_span(raw)
    assert span is not None
    assert raw[span[0] : span[1]] == pcm


@given(st.binary(max_size=64))
def test_whatever_has_a_span_parses_to_that_chunk_alone(raw: bytes) -> None:
    span = audio_span(raw)
    if span is not None:
        parsed = asr_pb2.RecognizeRequest.FromString(raw)
        assert list(parsed.audio) == [raw[span[0] : span[1]]]
        assert parsed.WhichOneof("control") is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x0a",
        encode_audio(b"ab") + encode_audio(b"cd"),
        asr_pb2.RecognizeRequest(audio=[b"ab"], reset=asr_pb2.ResetUtterance(turn_epoch=3)).SerializeToString(),
        asr_pb2.RecognizeRequest(config=asr_pb2.RecognizeConfig(language="en")).SerializeToString(),
        b"\x0a\xff\xff\xff\xff\xff\xff\x01",
    ],
)
def test_anything_else_goes_through_the_parser(raw: bytes) -> None:
    assert audio_span(raw) is None


@given(st.integers(min_value=0, max_value=2**40))
def test_varints_are_protobufs(value: int) -> None:
    assert varint(value) == _reference_varint(value)


def _reference_varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(7, value.bit_length()), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


@given(epoch=st.integers(0, 2**32 - 1), offset_ms=st.integers(0, 2**32 - 1), pcm=st.binary(max_size=5000))
def test_agent_audio_is_what_the_parser_reads(epoch: int, offset_ms: int, pcm: bytes) -> None:
    parsed = orchestrator_pb2.ConverseResponse.FromString(encode_agent_audio(epoch, offset_ms, pcm))
    assert parsed == orchestrator_pb2.ConverseResponse(
        audio=orchestrator_pb2.AgentAudio(turn_epoch=epoch, offset_ms=offset_ms, pcm=pcm)
    )
