"""Four stages in memory, for calls in virtual time: no gRPC, no engine.

The recogniser and the turn detector say what a test says, the model answers as its script goes on, the voice gives each
phrase 20 ms of audio a word. Each generation has a name that is in its words and its tool calls, and a level that is in
its audio, so whatever comes of it, wherever, can be told from any other.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from services.orchestrator.settings import OrchestratorSettings

INFO = common_pb2.EngineInfo(engine="scripted")
TIMING = common_pb2.ServerTiming(received_to_sent_us=10)
WORD_MS = 20
TOOL = "book"
_NAME = re.compile(r"answer([a-z]+)")
SENTENCE_LEVEL = 999


def name_of(number: int) -> str:
    """Return the word by which generation `number` is known."""
    return "answer" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")


def numbers_in(text: str) -> list[int]:
    """Return the generations whose words are in a text."""
    return [int("".join(str(ord(c) - ord("a")) for c in name)) for name in _NAME.findall(text)]


class Line:
    """One stream, as its client sees it; `serve` gets each request."""

    def __init__(self, serve: Callable[[Line, bytes], None]) -> None:
        self._serve = serve
        self._responses: asyncio.Queue[Any] = asyncio.Queue()
        self.status = grpc.StatusCode.OK
        self.is_cancelled = False

    async def write(self, raw: bytes) -> None:
        """Take a request."""
        if self.is_over:
            raise asyncio.InvalidStateError("over")
        self._serve(self, raw)

    async def read(self) -> Any:
        """Return the next response."""
        return await self._responses.get()

    def cancel(self) -> bool:
        """End it from the client's side."""
        self.is_cancelled = True
        return True

    def done(self) -> bool:
        """Whether it is over."""
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it was cancelled or broke off."""
        return self.is_cancelled or self.status is not grpc.StatusCode.OK

    def send(self, response: Any) -> None:
        """Give a response."""
        if not self.is_over:
            self._responses.put_nowait(response.SerializeToString())

    def break_off(self, status: grpc.StatusCode = grpc.StatusCode.INTERNAL) -> None:
        """End it from the server's side."""
        if not self.is_over:
            self.status = status
            self._responses.put_nowait(grpc.aio.EOF)

    async def code(self) -> grpc.StatusCode:
        """Return how it ended."""
        return self.status

    async def details(self) -> str:
        """Return why."""
        return "scripted"

    async def trailing_metadata(self) -> list[Any]:
        """Return nothing."""
        return []


@dataclass
class Generation:
    """What the model was asked, and how far it is."""

    number: int
    config: llm_pb2.GenerateConfig
    line: Line
    how: str
    is_finished: bool = False

    @property
    def is_running(self) -> bool:
        """Whether the engine works on it."""
        return not (self.is_finished or self.line.is_over)


@dataclass
class ScriptedStages:
    """Stands for `Stages`. `script`: how the next generations go, `answer` once it is empty.

    answer: two phrases at once. slow: the first phrase, the rest once the test says. tool: a phrase and a tool call.
    mute_tool: a tool call alone. fail, full: it breaks off before its first word, as faulty or for want of room. die:
    after its first phrase. hang: never a word.
    """

    script: deque[str] = field(default_factory=deque)
    settings: OrchestratorSettings = field(default_factory=OrchestratorSettings)
    generations: list[Generation] = field(default_factory=list)
    lines: dict[str, list[Line]] = field(default_factory=lambda: {"asr": [], "turn": [], "llm": [], "tts": []})
    asr_epoch: int = 0
    finalize_id: int = 0
    spoken: list[tts_pb2.SynthesizeText] = field(default_factory=list)

    # --- what the orchestrator uses ---

    def call(self, stage: str, **_: Any) -> Line:
        """Open a stream."""
        line = Line(getattr(self, f"_{stage}"))
        self.lines[stage].append(line)
        return line

    async def prefill(self, *_: Any) -> bytes:
        """There is no cache."""
        return llm_pb2.PrefillResponse().SerializeToString()

    async def connected(self, stage: str, timeout_s: float) -> None:
        """Every stage is there."""

    def on_unhealthy(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """None ever is."""
        return lambda: None

    # --- stages ---

    def _asr(self, line: Line, raw: bytes) -> None:
        request = asr_pb2.RecognizeRequest.FromString(raw)
        match request.WhichOneof("control"):
            case "config":
                line.send(asr_pb2.RecognizeResponse(ready=asr_pb2.AsrReady(info=INFO)))
            case "reset":
                self.asr_epoch, self.finalize_id = request.reset.turn_epoch, 0
            case "finalize":
                self.finalize_id = request.finalize.finalize_id

    def _turn(self, line: Line, raw: bytes) -> None:
        if turn_pb2.DetectRequest.FromString(raw).HasField("config"):
            line.send(turn_pb2.DetectResponse(ready=turn_pb2.TurnReady(info=INFO)))

    def _llm(self, line: Line, raw: bytes) -> None:
        config = llm_pb2.GenerateRequest.FromString(raw).config
        how = self.script.popleft() if self.script else "answer"
        made = Generation(len(self.generations), config, line, how)
        self.generations.append(made)
        match how:
            case "fail":
                line.break_off()
            case "full":
                line.break_off(grpc.StatusCode.RESOURCE_EXHAUSTED)
            case "answer":
                self._say(made)
                self.go_on(made)
            case "slow":
                self._say(made)
            case "die":
                self._say(made)
                line.break_off()
            case "tool":
                self._say(made)
                self._call_tool(made)
            case "mute_tool":
                self._call_tool(made)

    def _say(self, made: Generation) -> None:
        delta = llm_pb2.TextDelta(text=f"This is {name_of(made.number)} speaking. Now ")
        made.line.send(llm_pb2.GenerateResponse(text_delta=delta, timing=TIMING))

    def _call_tool(self, made: Generation) -> None:
        call = llm_pb2.ToolCall(id=name_of(made.number), name=TOOL, arguments_json="{}")
        made.line.send(llm_pb2.GenerateResponse(tool_call=call, timing=TIMING))
        self._finish(made)

    def go_on(self, made: Generation) -> None:
        """Let a slow generation come to its end."""
        delta = llm_pb2.TextDelta(text=f"{name_of(made.number)} has more to say.")
        made.line.send(llm_pb2.GenerateResponse(text_delta=delta, timing=TIMING))
        self._finish(made)

    def _finish(self, made: Generation) -> None:
        usage = llm_pb2.Usage(completion_tokens=5)
        made.line.send(llm_pb2.GenerateResponse(finished=llm_pb2.GenerationFinished(usage=usage), timing=TIMING))
        made.is_finished = True

    def _tts(self, line: Line, raw: bytes) -> None:
        request = tts_pb2.SynthesizeRequest.FromString(raw)
        match request.WhichOneof("request"):
            case "config":
                line.send(tts_pb2.SynthesizeResponse(ready=tts_pb2.TtsReady(info=INFO)))
            case "text":
                self.spoken.append(request.text)
                line.send(_audio(request.text))

    # --- what a test says ---

    def running(self) -> list[Generation]:
        """Return what the model works on."""
        return [made for made in self.generations if made.is_running]

    def hear(self, text: str, *, is_final: bool, confidence: float = 0.0) -> None:
        """Have the recogniser say what was said."""
        hypothesis = asr_pb2.Hypothesis(text=text, confidence=confidence, is_final=is_final)
        if is_final:
            hypothesis.finalize_id, hypothesis.stable_prefix = self.finalize_id, text
        self.lines["asr"][-1].send(
            asr_pb2.RecognizeResponse(turn_epoch=self.asr_epoch, timing=TIMING, hypothesis=hypothesis)
        )

    def tell_turn(self, **event: Any) -> None:
        """Have the turn detector say something, such as `tell_turn(turn_resumed=turn_pb2.TurnResumed())`."""
        self.lines["turn"][-1].send(turn_pb2.DetectResponse(timing=TIMING, **event))


def _audio(text: tts_pb2.SynthesizeText) -> tts_pb2.SynthesizeResponse:
    numbers: Iterable[int] = numbers_in(text.text)
    level = next((number + 1 for number in numbers), SENTENCE_LEVEL)
    pcm = level.to_bytes(2, "little") * (16 * WORD_MS * len(text.text.split()))
    audio = tts_pb2.SpeechAudio(phrase_id=text.phrase_id, pcm=pcm, is_last=True)
    return tts_pb2.SynthesizeResponse(turn_epoch=text.turn_epoch, attempt=text.attempt, audio=audio, timing=TIMING)
