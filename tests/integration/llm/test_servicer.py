"""The language model servicer on a real server: what bad input, slow engines and slow clients get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2, llm_pb2_grpc

from services.common.errors import InvalidInput
from services.llm.engine import GenerationRequest, LlmEvent
from services.llm.engines.fake import FakeEngine
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.support.servers import serving
from tests.support.streams import write

pytestmark = pytest.mark.integration

DEADLINE_S = 5
OBJECT = '{"type": "object"}'


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[LlmService, llm_pb2_grpc.LanguageModelAsyncStub]]:
    chosen = LlmSettings.model_validate({"engine": "fake", "port": 0, **settings})
    service = LlmService(chosen)
    async with serving(service, chosen) as (server, channel):
        yield service, cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        async with asyncio.timeout(DEADLINE_S):
            await server.interceptor.wait_idle()
        assert service.running == 0


def user(text: str = "hello") -> llm_pb2.ChatMessage:
    return llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content=text)


def config(**fields: Any) -> llm_pb2.GenerateRequest:
    return llm_pb2.GenerateRequest(config=llm_pb2.GenerateConfig(**{"messages": [user()], **fields}))


def tool(schema: str = OBJECT, name: str = "book") -> llm_pb2.ToolDefinition:
    return llm_pb2.ToolDefinition(name=name, parameters_json_schema=schema)


async def generate(
    stub: llm_pb2_grpc.LanguageModelAsyncStub, *requests: llm_pb2.GenerateRequest
) -> list[llm_pb2.GenerateResponse]:
    call = stub.Generate(timeout=DEADLINE_S)
    await write(call, *requests)  # it may be over before the last of them
    return [response async for response in call]


async def refused(
    stub: llm_pb2_grpc.LanguageModelAsyncStub, *requests: llm_pb2.GenerateRequest
) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await generate(stub, *requests)
    return failure.value.code(), failure.value.details() or ""


async def test_the_queue_is_a_part_of_its_own_of_every_event_s_timing() -> None:
    delays = {
        "fake_queue_delay_ms": 60,
        "fake_first_delay_ms": 20,
        "fake_delta_delay_ms": 20,
        "fake_words_per_delta": 4,
    }
    async with served(**delays) as (_, stub):
        ready, *events = await generate(stub, config())
        assert ready.timing.queue_us == ready.timing.engine_us == 0
        assert [event.WhichOneof("event") for event in events] == ["text_delta", "text_delta", "finished"]
        for timing in (event.timing for event in events):
            assert timing.queue_us >= 59_000
            assert timing.engine_us >= 19_000
            assert timing.queue_us + timing.engine_us <= timing.received_to_sent_us
        assert len({event.timing.queue_us for event in events}) == 1


TOOL_WITHOUT_ID = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_TOOL, content="{}")
USER_WITH_CALLS = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, tool_calls=[llm_pb2.ToolCall(id="1")])
CANCEL = llm_pb2.GenerateRequest(cancel=llm_pb2.CancelGeneration())
FINISH = llm_pb2.GenerateRequest(finish=common_pb2.FinishInput())


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        ([CANCEL], "first message must carry `config`"),
        ([llm_pb2.GenerateRequest()], "first message must carry `config`"),
        ([config(messages=[])], "no messages"),
        ([config(messages=[llm_pb2.ChatMessage(content="x")])], "messages[0].role"),
        ([config(messages=[llm_pb2.ChatMessage(role=cast(Any, 77), content="x")])], "messages[0].role"),
        (
            [config(messages=[user(), llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_TOOL, content="{}")])],
            "messages[1].tool_call_id",
        ),
        (
            [
                config(
                    messages=[llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, tool_calls=[llm_pb2.ToolCall(id="1")])]
                )
            ],
            "tool_calls",
        ),
        ([config(tools=[tool("{")])], "tool 'book': parameters_json_schema is no JSON"),
        ([config(tools=[tool('{"type": "array"}')])], "tool 'book': parameters_json_schema must be an object schema"),
        ([config(tools=[tool('{"type": "object", "properties": 7}')])], "tool 'book'"),
        ([config(tools=[tool('{"type": "object", "$ref": "http://127.0.0.1/x"}')])], "tool 'book': $ref"),
        ([config(tools=[tool(name="a b")])], "tool name 'a b'"),
        ([config(tools=[tool(), tool()])], "twice"),
        ([config(sampling=llm_pb2.Sampling(temperature=-1))], "temperature"),
        ([config(sampling=llm_pb2.Sampling(temperature=float("nan")))], "temperature"),
        ([config(sampling=llm_pb2.Sampling(top_p=0))], "top_p"),
        ([config(sampling=llm_pb2.Sampling(max_tokens=0))], "max_tokens"),
        ([config(session_id="x" * 200)], "session_id"),
        ([config(tools=[tool(name=f"t{i}") for i in range(65)])], "65 tools"),
        ([config(messages=[user()] * 1001)], "1001 messages"),
    ],
)
async def test_unusable_input_is_named(requests: list[llm_pb2.GenerateRequest], says: str) -> None:
    async with served() as (_, stub):
        code, details = await refused(stub, *requests)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert says in details
        assert (await generate(stub, config()))[-1].WhichOneof("event") == "finished"


@pytest.mark.parametrize("then", [[config()], [llm_pb2.GenerateRequest()], [FINISH, FINISH]])
async def test_nothing_but_cancel_or_finish_follows_the_config(then: list[llm_pb2.GenerateRequest]) -> None:
    async with served(fake_failure="hang") as (_, stub):
        code, details = await refused(stub, config(), *then)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "send only cancel or finish" in details


async def test_bytes_that_are_no_message_are_refused_in_mid_stream() -> None:
    settings = LlmSettings(engine="fake", port=0, fake_failure="hang")
    service = LlmService(settings)
    async with serving(service, settings) as (_, channel):
        call: Any = channel.stream_stream("/voice.llm.v1.LanguageModel/Generate")(timeout=DEADLINE_S)
        await call.write(config().SerializeToString())
        await call.read()
        await call.write(b"\xff\xff\xff")
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert service.running == 0


async def test_finish_lets_the_generation_go_on() -> None:
    async with served() as (_, stub):
        responses = await generate(stub, config(), FINISH)
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_STOP


async def test_a_zero_delay_reply_takes_three_messages() -> None:
    async with served() as (_, stub):
        kinds = [response.WhichOneof("event") for response in await generate(stub, config(turn_epoch=4))]
        assert kinds == ["ready", "text_delta", "finished"]


async def test_cancel_before_any_output_is_answered() -> None:
    async with served(fake_failure="hang") as (_, stub):
        responses = await generate(stub, config(turn_epoch=9), CANCEL)
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_CANCELLED
        assert responses[-1].turn_epoch == 9


async def test_cancel_after_finish_is_answered() -> None:
    async with served(fake_failure="hang") as (_, stub):
        responses = await generate(stub, config(), FINISH, CANCEL)
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_CANCELLED


async def test_an_engine_that_hangs_is_given_up() -> None:
    async with served(fake_failure="hang", first_output_timeout_ms=50) as (_, stub):
        code, details = await refused(stub, config())
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no output from the engine within 50 ms" in details


async def test_an_engine_that_stalls_in_mid_reply_is_given_up() -> None:
    async with served(fake_words_per_delta=1, fake_delta_delay_ms=60_000, total_timeout_ms=80) as (_, stub):
        code, details = await refused(stub, config())
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "did not end within 80 ms" in details


async def test_a_stream_without_a_config_is_given_up() -> None:
    async with served(config_timeout_ms=50) as (_, stub):
        call = stub.Generate(timeout=DEADLINE_S)
        await call.wait_for_connection()
        assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("failure", ["raise", "die", "bad_tool_call"])
async def test_engine_faults_reach_the_client_and_no_one_else(failure: str) -> None:
    async with served(fake_failure=failure, fake_fail_when="break", fake_words_per_delta=1) as (_, stub):
        good, bad = await asyncio.gather(
            generate(stub, config()), refused(stub, config(messages=[user("break")], tools=[tool()]))
        )
        assert good[-1].finished.reason == llm_pb2.FINISH_REASON_STOP
        assert bad[0] == grpc.StatusCode.INTERNAL


class WatchedEngine(FakeEngine):
    """Tells when a generation was released."""

    def __init__(self, settings: LlmSettings) -> None:
        super().__init__(settings)
        self.released = asyncio.Event()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        try:
            async with aclosing(super().generate(request)) as events:
                async for event in events:
                    yield event
        finally:
            self.released.set()


async def test_a_client_that_does_not_read_frees_the_engine_and_learns_why() -> None:
    settings = LlmSettings(
        port=0,
        fake_reply=f"{'x' * 200_000} " * 150,
        fake_words_per_delta=1,
        fake_delta_delay_ms=0.01,
        total_timeout_ms=400,
    )
    engine = WatchedEngine(settings)
    async with serving(LlmService(settings, engine), settings) as (_, channel):
        stub = cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        call = stub.Generate(timeout=30)
        await call.write(config())
        async with asyncio.timeout(DEADLINE_S):
            await engine.released.wait()
            assert engine.running == 0
            # What was written before is still on its way; after it comes the reason.
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                [response async for response in call]
        assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_prefill() -> None:
    async with served() as (_, stub):
        answer = await stub.Prefill(llm_pb2.PrefillRequest(config=llm_pb2.GenerateConfig(messages=[user()])))
        assert answer.cached_tokens == 0
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.Prefill(llm_pb2.PrefillRequest())
        assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_rules_script_is_refused_with_those_there_are() -> None:
    async with served(engine="rules") as (_, stub):
        code, details = await refused(stub, config(model="nonsense"))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "appointments" in details
        ready = (await generate(stub, config(model="appointments")))[0].ready
        assert ready.info.model == "rules script appointments"


async def test_an_unknown_engine_does_not_start() -> None:
    with pytest.raises(InvalidInput, match="PARLEY_LLM_ENGINE='gpt': no such engine"):
        async with served(engine="gpt"):
            raise AssertionError("it started")
