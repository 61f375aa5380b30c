"""The async SDK: one call with a voice agent, over the orchestrator's gRPC API.

async with Conversation("localhost:50050", agent="appointments") as call:
    await call.send_audio(pcm)
    async for event in call: ...
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import grpc
import grpc.aio
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import events
from parley.caller_end import CallerEnd, PlaybackMode
from parley.errors import CallError, CallFailed, CallMisused, ServerUnreachable
from parley.playback import PlaybackModel, Position
from parley.recording import CallRecording
from parley.rpc import TrueStatus, explain, open_channel, unreachable_text
from parley.tools import Handler, Tool, make_tool
from services.common.audio import PCM_S16LE, AudioFormat, check_format, check_pcm
from services.common.errors import InvalidInput
from services.common.wire import encode_audio

CONVERSE = "/voice.orchestrator.v1.VoiceAgent/Converse"
PROGRESS_INTERVAL_S = 0.2
MAX_UNREAD_EVENTS = 10_000


class Conversation:
    """One call. Enter it to place the call, iterate it for what happens, leave it to hang up.

    `sample_rate_hz` is that of the audio in both directions (PCM16, mono). `session_id` resumes a call that broke off.
    `language`: a BCP 47 tag of the agent's languages to begin in; empty: its first.
    `tools` are async functions by name, or give them with `@call.tool` before the call is entered.
    `playback`: "clock" plays the agent's audio on a model of a loudspeaker, so that the server knows what was heard;
    "device" leaves the pace to a sound card that pulls from `call.playback`; "off" reports nothing, and the server
    assumes real-time playback. `record` keeps both sides in memory for `write_recording`.

    Every method raises a CallError where the call cannot go on; the text says what to do.
    """

    def __init__(
        self,
        target: str = "localhost:50050",
        *,
        agent: str = "",
        session_id: str = "",
        language: str = "",
        sample_rate_hz: int = 16000,
        tools: Mapping[str, Handler] | None = None,
        playback: PlaybackMode = "clock",
        record: bool = False,
        keep_transcripts: bool = False,
        keep_audio: bool = False,
        connect_timeout_s: float = 10.0,
    ) -> None:
        try:
            self._format: AudioFormat = check_format(sample_rate_hz, PCM_S16LE)
        except InvalidInput as error:
            raise CallMisused(str(error)) from error
        if not agent and not session_id:
            raise CallMisused(
                "name the agent to call, agent='...' (`parley agents` lists them), or a session to resume"
            )
        self.target = target
        self.agent = agent
        self.session_id = session_id
        """Id to resume by; set by the server once the call is up."""
        self.sample_rate_hz = sample_rate_hz
        self.turns: list[events.TurnSummary] = []
        """The turns that are complete."""
        self._language = language
        self._consent = pb.Consent(transcripts=keep_transcripts, audio=keep_audio)
        self._connect_timeout_s = connect_timeout_s
        self._tools: dict[str, Tool] = {name: make_tool(fn, name=name) for name, fn in (tools or {}).items()}
        self._recording = CallRecording(sample_rate_hz) if record else None
        self._end = CallerEnd(sample_rate_hz, playback, self._recording)
        self._events: asyncio.Queue[events.Event | None] = asyncio.Queue(MAX_UNREAD_EVENTS)
        self._failure: CallError | None = None
        self._began_s = 0.0
        self._stream: Any = None
        self._status: TrueStatus
        self._responses: AsyncIterator[pb.ConverseResponse]
        self._channel: grpc.aio.Channel | None = None
        self._is_over = False
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writes: set[asyncio.Task[None]] = set()

    @overload
    def tool(self, handler: Handler) -> Handler: ...
    @overload
    def tool(
        self,
        *,
        name: str = "",
        description: str = "",
        parameters: dict[str, Any] | None = None,
        timeout_ms: int = 10_000,
    ) -> Callable[[Handler], Handler]: ...
    def tool(self, handler: Handler | None = None, **options: Any) -> Any:
        """Let the agent call an async function of yours: `@call.tool`, or `@call.tool(name=..., parameters=...)`.

        The name, docstring and annotations tell the agent how, where they are not given. A handler's exception is told
        to the agent as the tool's failure.
        """
        if self._stream is not None:
            raise CallMisused("register tools before the call starts: between Conversation(...) and `async with`")

        def register(function: Handler) -> Handler:
            made = make_tool(function, **options)
            self._tools[made.name] = made
            return function

        return register if handler is None else register(handler)

    async def __aenter__(self) -> Self:
        if self._stream is not None:
            raise CallMisused("a Conversation is one call: make a new one, with session_id to resume this one")
        self._channel = open_channel(self.target)
        self._began_s = asyncio.get_running_loop().time()
        converse: Any = self._channel.stream_stream(CONVERSE, None, pb.ConverseResponse.FromString)
        self._stream = converse()
        self._status = TrueStatus(self._stream)
        self._responses = aiter(self._stream)  # unlike read(), it gives all that came, even after a write has failed
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._stream.write(self._start_message())
                await self._receive_started()
        except grpc.aio.AioRpcError as error:
            await self._close()
            raise explain(await self._status.of(error) or error, self.target) from error
        except TimeoutError as error:
            await self._close()
            reason = f"no answer within {self._connect_timeout_s:.0f} s"
            raise ServerUnreachable(unreachable_text(self.target, reason)) from error
        except BaseException:
            await self._close()
            raise
        self._spawn(self._receive(), "receive")
        if self._end.mode != "off":
            self._spawn(self._report_progress(), "playback")
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._close()

    def __aiter__(self) -> AsyncIterator[events.Event]:
        return self

    async def __anext__(self) -> events.Event:
        """Return the next event. Ends after the call's end; raises CallError where the call broke or failed."""
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)  # whoever iterates again gets the same end
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def send_audio(self, pcm: bytes) -> None:
        """Send microphone audio, PCM16 mono, at the pace it was recorded; chunks of 20 ms are best."""
        try:
            check_pcm(pcm, self._format)
        except InvalidInput as error:
            raise CallMisused(str(error)) from error
        if pcm:
            await self._write(encode_audio(pcm))
            self._end.sent(pcm, self._now_samples())

    async def text(self, text: str, language: str = "") -> None:
        """Say something by typing it. `language`: a BCP 47 tag of the agent's, in which the call then goes on."""
        await self._control(pb.ConverseRequest(text_input=pb.TextInput(text=text, language=language)))

    async def interrupt(self) -> None:
        """Stop the agent, as speech over it would."""
        await self._control(pb.ConverseRequest(interrupt=pb.InterruptAgent()))

    async def end(self) -> None:
        """End the call; what is still to come arrives as events, `Ended` last. No error where it has ended already."""
        if not self.has_ended:
            await self._control(pb.ConverseRequest(end=pb.EndConversation()))

    @property
    def playback(self) -> PlaybackModel:
        """The loudspeaker: what was heard, what is queued, stale frames."""
        return self._end.playback

    @property
    def has_ended(self) -> bool:
        """Whether the call is over."""
        return self._ended.is_set()

    async def wait_ended(self) -> None:
        """Wait until the call is over."""
        await self._ended.wait()

    @property
    def elapsed_ms(self) -> float:
        """Time since the call began: the clock of every event's `at_ms`."""
        return (asyncio.get_running_loop().time() - self._began_s) * 1000

    def write_recording(self, path: Path) -> None:
        """Write the call as a stereo WAV: the caller left, what the caller really heard right, aligned in time.

        Raises CallMisused unless the call was made with `record=True`.
        """
        if self._recording is None:
            raise CallMisused("nothing was recorded: make the call with record=True")
        self._recording.write(path)

    def _start_message(self) -> bytes:
        audio_format = common_pb2.AudioFormat(
            sample_rate_hz=self.sample_rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE
        )
        start = pb.StartConversation(
            agent=self.agent,
            session_id=self.session_id,
            format=audio_format,
            client_tools=[
                pb.ClientTool(
                    name=tool.name,
                    description=tool.description,
                    parameters_json_schema=json.dumps(tool.parameters),
                    timeout_ms=tool.timeout_ms,
                )
                for tool in self._tools.values()
            ],
            consent=self._consent,
            language=self._language,
            sends_playback_progress=self._end.mode != "off",
            rewinds_playback=self._end.mode != "off",
        )
        return pb.ConverseRequest(start=start).SerializeToString()

    async def _receive_started(self) -> None:
        response = await anext(self._responses, None)
        if response is None:
            raise CallFailed(f"{self.target} closed the call before it started: see the server's log")
        event = events.decode(response, self.elapsed_ms)
        if isinstance(event, events.ErrorEvent):
            raise CallFailed(event.message)
        if not isinstance(event, events.Started):
            raise CallError(f"{self.target} did not start the call: is a voice agent of this version listening there?")
        self.session_id, self.agent = event.session_id, event.agent
        self._events.put_nowait(event)

    async def _receive(self) -> None:
        try:
            async for response in self._responses:
                event = events.decode(response, self.elapsed_ms)
                if event is not None:
                    await self._handle(event)
        except grpc.aio.AioRpcError as error:
            truth = await self._status.of(error)
            if truth is not None and not self._is_over:
                self._fail(explain(truth, self.target, was_up=True, session_id=self.session_id))
        except CallError as error:
            self._fail(error)
        except Exception as error:
            self._fail(CallError(f"the client cannot go on: {error!r}"))
            raise
        finally:
            self._ended.set()
            self._wake.set()
            self._events.put_nowait(None)

    async def _handle(self, event: events.Event) -> None:
        event, position = self._end.apply(event, self._now_samples())
        if position is not None:
            await self._acknowledge(position)
        match event:
            case events.AgentAudio() | events.PlaybackResumed():
                self._wake.set()
            case events.ToolCall(runs_at_client=True, status=events.ToolStatus.STARTED):
                self._spawn(self._run_tool(event), f"tool {event.tool}")
            case events.TurnSummary():
                self.turns.append(event)
            case events.Ended():
                self._is_over = True
            case events.ErrorEvent(is_fatal=True, message=message):
                self._fail(CallFailed(message, self.session_id))
        if self._events.qsize() >= MAX_UNREAD_EVENTS - 1:
            raise CallMisused(f"{MAX_UNREAD_EVENTS} events were not read: iterate with `async for event in call`")
        self._events.put_nowait(event)

    async def _report_progress(self) -> None:
        """Acknowledge what was heard: at intervals while it plays, and when the queue runs dry."""
        while not self.has_ended:
            position = self._end.due_acknowledgement(self._now_samples())
            if position is not None:
                await self._acknowledge(position)
            if self.playback.is_playing:
                await asyncio.sleep(min(PROGRESS_INTERVAL_S, self.playback.queued_ms / 1000 + 0.001))
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _acknowledge(self, position: Position) -> None:
        progress = pb.PlaybackProgress(turn_epoch=position.turn_epoch, played_ms=position.played_ms)
        try:
            await self._control(pb.ConverseRequest(playback_progress=progress))
        except CallError:
            return  # the call is over: the receiver tells why

    async def _run_tool(self, call: events.ToolCall) -> None:
        result = pb.ToolResult(call_id=call.call_id)
        tool = self._tools.get(call.tool)
        try:
            if tool is None:
                raise CallMisused(f"the client has no tool named {call.tool!r}")
            async with asyncio.timeout(tool.timeout_ms / 1000):
                result.result_json = await tool.run(call.arguments_json)
        except Exception as error:  # whatever the handler raises is the tool's failure, for the agent to deal with
            result.error = f"{type(error).__name__}: {error}"
        try:
            await self._control(pb.ConverseRequest(tool_result=result))
        except CallError:
            return  # the call is over: nobody waits for the result

    async def _control(self, request: pb.ConverseRequest) -> None:
        await self._write(request.SerializeToString())

    async def _write(self, raw: bytes) -> None:
        if self._stream is None:
            raise CallMisused("the call has not started: use `async with Conversation(...) as call`")
        if self.has_ended:
            raise self._failure or CallMisused("the call has ended: nothing can be sent any more")
        writing = asyncio.create_task(self._write_whole(raw), name="write")
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)
        try:
            await asyncio.shield(writing)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            if asyncio.current_task() not in self._tasks:
                await self._ended.wait()  # the receiver sees the same end, and knows why
            raise self._failure or CallMisused("the call has ended: nothing can be sent any more") from error

    async def _write_whole(self, raw: bytes) -> None:
        """Write a message, in a task that is not cancelled with whoever sends it: grpc.aio would end the whole call."""
        async with self._writing:  # gRPC takes one message at a time
            await self._stream.write(raw)

    def _fail(self, error: CallError) -> None:
        self._failure = self._failure or error

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        self._ended.set()
        self._stream.cancel()
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *self._writes, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()

    def _now_samples(self) -> int:
        return round(self.elapsed_ms * self.sample_rate_hz / 1000)
