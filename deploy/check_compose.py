"""Bring a compose file up, hold calls through it, and kill and restart every service under a live call.

    .venv/bin/python deploy/check_compose.py                         # deploy/compose.cpu.yaml with docker
    .venv/bin/python deploy/check_compose.py --engine podman --compose podman-compose

Run from a checkout with its `.venv` (`make setup`): the caller stands outside the containers, at the published port.
The exit status is 0 where every call was answered in the end; what the callers heard meanwhile is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from parley import Conversation, events, read_wav
from parley.errors import CallError, SpeechError
from parley.listener import Listener, WaitedTooLong
from parley.microphone import Microphone
from parley.ports import reserved
from parley.speech import synthesise

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("asr", "turn", "llm", "tts")
SERVICES = (*STAGES, "orchestrator", "redis")
FAULTS = ("kill -9", "restart")
RATE_HZ = 16000
UTTERANCE = "I'd like to check my order status please"
AGENT = "requests"
HEALTHY_S = 300.0
ANSWER_S = 30.0
NEW_CALL_S = 60.0
PATIENCE_S = 6.0
"""After which a caller without an answer says it again."""
TRIES = 8
VOICE = "en-us+f2"
LISTENING_FAULT_S = 0.8
"""Into the sentence, for the stages that listen to it."""
OTHER_FAULT_S = 0.6
"""Before the sentence ends, for the others: they are away when they are needed."""


class CheckError(Exception):
    """The house does not do what it should."""


class House:
    """What compose brought up, through the command line of the container engine."""

    def __init__(self, engine: str, compose: str, file: Path, project: str) -> None:
        self.engine = shlex.split(engine)
        self.compose = [*shlex.split(compose), "-f", str(file)]
        self.project = project

    def run(self, *words: str, timeout_s: float = 60.0) -> str:
        """Run the engine. Raises CheckError with what it wrote where it failed."""
        return _run([*self.engine, *words], timeout_s)

    def up(self, *services: str, build: bool = False) -> None:
        """Start services; all without a name."""
        _run([*self.compose, "up", "-d", *(["--build"] if build else []), *services], 3600.0, cwd=ROOT)

    def down(self) -> None:
        """Stop and remove all but the volumes."""
        _run([*self.compose, "down"], 300.0, cwd=ROOT)

    def container(self, service: str) -> str:
        """Return the container of a service."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found = self.run("ps", "-aq", *(word for label in labels for word in ("--filter", f"label={label}"))).split()
        if len(found) != 1:
            raise CheckError(f"{len(found)} containers of {service}")
        return found[0]

    def health(self, service: str) -> str:
        """Return what the engine says of a service: healthy, starting, unhealthy, or its state where it is down."""
        container = self.container(service)
        if "podman" in self.engine[0]:  # its health checks need systemd, which is not everywhere: run one now
            subprocess.run([*self.engine, "healthcheck", "run", container], capture_output=True, check=False)
        state = json.loads(self.run("inspect", container))[0]["State"]
        return str(state["Health"]["Status"]) if state["Running"] else str(state["Status"])

    async def all_healthy(self) -> float:
        """Wait until every service is healthy; return after how many seconds."""
        began = time.monotonic()
        while states := {s: h for s in SERVICES if (h := await asyncio.to_thread(self.health, s)) != "healthy"}:
            if time.monotonic() - began > HEALTHY_S:
                raise CheckError(f"not healthy after {HEALTHY_S:.0f} s: {states}")
            await asyncio.sleep(0.5)
        return time.monotonic() - began

    async def fault(self, service: str, kind: str) -> None:
        """Kill the process of a service inside its container (the restart policy brings it back), or restart it."""
        container = self.container(service)
        if kind == "restart":
            await asyncio.to_thread(self.run, "restart", "-t", "30", container)
        else:  # as a crash: by the engine's own kill the container would count as stopped by hand
            await asyncio.to_thread(self.run, "exec", container, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")


def _run(command: Sequence[str], timeout_s: float, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=cwd)
    if done.returncode:
        raise CheckError(f"{shlex.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


@dataclass(slots=True)
class Story:
    """What one caller went through."""

    service: str
    fault: str
    told_in_call: list[str] = field(default_factory=list)
    """What the live call was told from the fault on: the agent's phrases, and [events] of trouble."""
    answered_in_call_s: float | None = None
    """From the fault to the answer in the same call; None where the call ended, and its session was resumed."""
    next_call_s: float = 0.0
    """From the fault to the greeting of a new call, tried all the time, that was then answered."""

    def line(self) -> str:
        """Return it for people."""
        kept = (
            "the call ended, its session was resumed"
            if self.answered_in_call_s is None
            else f"the call went on, answered after {self.answered_in_call_s:.1f} s"
        )
        told = " ".join(self.told_in_call)
        return f"{self.service}, {self.fault}: {kept}; a new call greeted after {self.next_call_s:.1f} s; told: {told}"


class Caller:
    """One call with the agent, and what was heard in it."""

    def __init__(self, server: str, pcm: bytes, session_id: str = "") -> None:
        self.call = Conversation(server, agent=AGENT, sample_rate_hz=RATE_HZ, session_id=session_id)
        self.pcm = pcm
        self.answered_at: float | None = None
        """When the first phrase of an answer to what was said came; an apology is none."""
        self.greeted_at: float | None = None
        self._began: dict[int, float] = {}

    def see(self, event: events.Event) -> None:
        """Note when the agent greeted and when it answered, by the clock of time.monotonic."""
        match event:
            case events.Transcript(speaker=events.Speaker.AGENT, turn_epoch=epoch):
                self._began.setdefault(epoch, time.monotonic())
                self.greeted_at = self.greeted_at or self._began[epoch]
            case events.TurnSummary(user_text=said, agent_text=told, outcome="", turn_epoch=epoch) if said and told:
                self.answered_at = self.answered_at or self._began[epoch]

    async def hold(self) -> None:
        """Say the sentence and wait for the answer. Raises CallError, or WaitedTooLong."""
        async with self.call, Listener(self.call, self.see) as listener:
            async with Microphone(self.call) as microphone:
                await listener.until(lambda: listener.agent_is_done(300), ANSWER_S, "the greeting")
                await _say(microphone, self.pcm)
                await listener.until(lambda: self.answered_at is not None, ANSWER_S, "an answer")
            if listener.failure is not None:
                raise listener.failure
            await self.call.end()

    async def live_through(self, fault: Callable[[], Coroutine[None, None, None]], story: Story) -> None:
        """Say the sentence, have the fault happen meanwhile, and say it again until it is answered or the call ends."""
        async with self.call, Listener(self.call, self.see) as listener:
            async with Microphone(self.call) as microphone:
                await listener.until(lambda: listener.agent_is_done(300), ANSWER_S, "the greeting")
                seen = len(listener.heard)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_say(microphone, self.pcm), name="speaking")
                    await asyncio.sleep(self._moment_s(story.service))
                    faulted = time.monotonic()
                    both.create_task(fault(), name="fault")
                    await self._until_answered(listener, microphone)
            story.answered_in_call_s = self.answered_at - faulted if self.answered_at else None
            story.told_in_call = [text for event in listener.heard[seen:] if (text := _told(event))]
            if listener.failure is not None:
                story.told_in_call.append(f"[{type(listener.failure).__name__}]")
            if not listener.has_ended:
                await self.call.end()

    def _moment_s(self, service: str) -> float:
        return LISTENING_FAULT_S if service in ("asr", "turn") else len(self.pcm) / 2 / RATE_HZ - OTHER_FAULT_S

    async def _until_answered(self, listener: Listener, microphone: Microphone) -> None:
        for _ in range(TRIES):
            said = time.monotonic()

            def is_answered_or_silent(since: float = said) -> bool:
                is_silent = time.monotonic() > since + PATIENCE_S and listener.agent_is_done(500)
                return self.answered_at is not None or is_silent

            await listener.until(is_answered_or_silent, ANSWER_S + PATIENCE_S, "an answer, or silence")
            if self.answered_at is not None or listener.has_ended:
                return
            await _say(microphone, self.pcm)  # as a caller does who got no answer
        raise WaitedTooLong(f"no answer in a call that went on, asked {TRIES} times")


async def _say(microphone: Microphone, pcm: bytes) -> None:
    with contextlib.suppress(CallError):  # the call ended in mid-sentence: the listener knows why
        await microphone.say(pcm)


def _told(event: events.Event) -> str:
    match event:
        case events.Transcript(speaker=events.Speaker.AGENT, text=text):
            return text
        case events.ErrorEvent(code=code, stage=stage):
            return f"[{code} {stage}]".replace(" ]", "]")
        case events.GoingAway():
            return "[going away]"
    return ""


async def call_until_answered(server: str, pcm: bytes, session_id: str = "") -> float:
    """Call until a call is answered; return after how many seconds it was greeted (a resumed one: answered).

    Raises CheckError where none is in a minute.
    """
    began = time.monotonic()
    while True:
        caller = Caller(server, pcm, session_id)
        try:
            await caller.hold()
            return (caller.greeted_at or began) - began
        except (CallError, WaitedTooLong) as error:
            if time.monotonic() - began > NEW_CALL_S:
                raise CheckError(f"no call was answered in {NEW_CALL_S:.0f} s: {error}") from error
            await asyncio.sleep(0.2)


async def try_fault(house: House, server: str, pcm: bytes, service: str, kind: str) -> Story:
    """Hold a call, cause a fault in it, call anew beside it, and tell what became of both."""
    story = Story(service, kind)
    caller = Caller(server, pcm)
    faulted = asyncio.Event()

    async def fault() -> None:
        faulted.set()
        await house.fault(service, kind)

    async def next_call() -> None:
        await faulted.wait()
        story.next_call_s = await call_until_answered(server, pcm)

    async with asyncio.TaskGroup() as both:
        both.create_task(next_call(), name="next-call")
        both.create_task(caller.live_through(fault, story), name="live-call")
    if story.answered_in_call_s is None:
        await call_until_answered(server, pcm, caller.call.session_id)
    await house.all_healthy()
    return story


async def speech(text: str) -> bytes:
    """Return the caller's sentence, from a synthesis service of this checkout's own."""
    with reserved(["tts"]) as ports:
        environment = os.environ | {"PARLEY_TTS_PORT": str(ports["tts"]), "PARLEY_TTS_REUSE_PORT": "true"}
        service = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.tts"), cwd=ROOT, env=environment,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for _ in range(100):
                with contextlib.suppress(SpeechError):
                    (pcm,) = await synthesise(f"127.0.0.1:{ports['tts']}", [text], voice=VOICE)
                    return pcm
                await asyncio.sleep(0.2)
            raise CheckError("the synthesis service of this checkout does not start: `make setup`?")
        finally:
            service.terminate()
            await service.wait()


async def check(options: argparse.Namespace) -> list[Story]:
    """Do all of it. Raises CheckError, CallError or WaitedTooLong."""
    pcm = read_wav(options.recording, RATE_HZ) if options.recording else await speech(UTTERANCE)
    house = House(options.engine, options.compose, options.file, options.project)
    print("down, then up with the orchestrator first: it waits for the stages", flush=True)
    house.down()
    house.up("orchestrator", build=not options.no_build)
    await asyncio.sleep(3.0)
    if (alone := house.health("orchestrator")) == "healthy":
        raise CheckError("the orchestrator is healthy without any stage")
    print(f"orchestrator alone: {alone}", flush=True)
    house.up(build=not options.no_build)
    print(f"all healthy {await house.all_healthy():.1f} s after the rest was started", flush=True)
    await call_until_answered(options.server, pcm)
    print("a call was answered", flush=True)
    stories = []
    for service in options.services:
        for kind in FAULTS:
            stories.append(await try_fault(house, options.server, pcm, service, kind))
            print(stories[-1].line(), flush=True)
    return stories


def _leaves(group: BaseExceptionGroup[Exception]) -> list[str]:
    return [
        text
        for failure in group.exceptions
        for text in (_leaves(failure) if isinstance(failure, BaseExceptionGroup) else [str(failure)])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=ROOT / "deploy" / "compose.cpu.yaml")
    parser.add_argument("--engine", default="docker", help="container engine (default: docker)")
    parser.add_argument("--compose", default="docker compose", help="compose command (default: docker compose)")
    parser.add_argument("--project", default="parley", help="compose project (default: parley)")
    parser.add_argument("--server", default="127.0.0.1:50050", help="where the orchestrator is published")
    parser.add_argument("--recording", type=Path, help=f"what the caller says (default: {UTTERANCE!r}, synthesised)")
    parser.add_argument("--services", nargs="*", choices=SERVICES, default=SERVICES, help="which to kill and restart")
    parser.add_argument("--no-build", action="store_true", help="take the images as they are")
    parser.add_argument("--keep-up", action="store_true", help="leave the house up in the end")
    parser.add_argument("--json", type=Path, help="write the stories there, too")
    options = parser.parse_args()
    failed: list[str] = []
    stories: list[Story] = []
    try:
        stories = asyncio.run(check(options))
    except* (CheckError, CallError, WaitedTooLong) as failures:
        failed = _leaves(failures)
    if failed:
        print(f"failed: {'; '.join(failed)}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps([asdict(story) for story in stories], indent=1))
    if not options.keep_up:
        House(options.engine, options.compose, options.file, options.project).down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
