"""Rules of the contracts that buf does not know."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2
from voice.orchestrator.v1 import orchestrator_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from services.common import audio, wire
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.unit

FILES = [module.DESCRIPTOR for module in (asr_pb2, turn_pb2, llm_pb2, tts_pb2, orchestrator_pb2)]
SERVICES: list[ServiceDescriptor] = [service for file in FILES for service in file.services_by_name.values()]
STREAMS = [method for service in SERVICES for method in service.methods if method.client_streaming]
STAGE_STREAMS = [method for method in STREAMS if "orchestrator" not in method.full_name]


def test_every_proto_file_is_looked_at() -> None:
    assert len(list((ROOT / "protos").rglob("*.proto"))) == len(FILES) + 1  # and voice.common.v1


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.full_name)
def test_a_stream_is_a_stream_both_ways(method: MethodDescriptor) -> None:
    assert method.server_streaming


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.full_name)
def test_audio_of_a_request_is_repeated_bytes_in_field_1(method: MethodDescriptor) -> None:
    request: Descriptor = method.input_type
    payloads = [field for field in request.fields if field.type == FieldDescriptor.TYPE_BYTES]
    for field in payloads:
        assert (field.name, field.number, field.is_repeated) == ("audio", 1, True)
        tag = field.number << 3 | 2  # length-delimited
        assert tag == wire.AUDIO_TAG


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.full_name)
def test_the_first_request_and_the_end_of_the_input_can_be_said(method: MethodDescriptor) -> None:
    request: Descriptor = method.input_type
    (choice,) = request.oneofs
    names = {field.name for field in choice.fields}
    assert names & {"config", "start"}
    assert names & {"finish", "end"}


@pytest.mark.parametrize("method", STAGE_STREAMS, ids=lambda method: method.full_name)
def test_every_response_of_a_stage_carries_its_epoch_and_the_servers_timing(method: MethodDescriptor) -> None:
    response: Descriptor = method.output_type
    assert response.fields_by_name["turn_epoch"].number == 1
    timing = response.fields_by_name["timing"].message_type
    assert timing is not None
    assert timing.full_name == "voice.common.v1.ServerTiming"
    assert "ready" in {field.name for field in response.oneofs_by_name["event"].fields}


def test_the_wire_value_that_audio_knows_without_protobuf_is_the_protos() -> None:
    assert common_pb2.AUDIO_ENCODING_PCM_S16LE == audio.PCM_S16LE


def test_a_time_carries_its_unit() -> None:
    times = ("delay", "duration", "timeout", "offset", "interval", "onset", "elapsed", "latency")
    unitless = [
        field.full_name
        for file in FILES
        for message in file.message_types_by_name.values()
        for field in message.fields
        if field.name.endswith(times)
    ]
    assert not unitless
