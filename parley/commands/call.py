"""`parley call`: call an agent with a WAV file, at the pace it was spoken."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from parley import events
from parley.client import Conversation
from parley.errors import CallError
from parley.listener import Listener, WaitedTooLong
from parley.microphone import Microphone
from parley.report import call_summary
from parley.terminal import DEFAULT_SERVER, console, run_async
from parley.view import LiveView
from parley.wav import read_wav
from services.common.audio import SAMPLE_RATES_HZ

GREETING_QUIET_MS = 700.0
END_QUIET_MS = 1500.0
_EPILOG = """\
The caller waits for the greeting, plays the file, and goes on sending silence until the agent has answered and nothing
more is coming. Any WAV file will do: it is converted to one channel at --rate.

With --json, one event a line on stdout, each with `event` and `at_ms` (since the call began); the last is
{"event": "call_summary", "turns": [...]}. Exit status: 0, or 1 where the call failed or broke.

examples:
  parley call question.wav --agent requests
  parley call question.wav --agent requests --out call.wav
  parley call question.wav --agent requests --json | tail -1
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument("file", type=Path, metavar="IN.wav", help="what the caller says")
    parser.add_argument("--agent", default="appointments", metavar="A", help="whom to call (default: %(default)s)")
    parser.add_argument(
        "--server", default=DEFAULT_SERVER, metavar="H:P", help="the orchestrator (default: %(default)s)"
    )
    parser.add_argument("--language", default="", metavar="TAG", help="begin in this language of the agent's")
    parser.add_argument("--out", type=Path, metavar="OUT.wav", help="write the call: caller left, agent right")
    parser.add_argument("--json", action="store_true", help="print events as JSON, one a line")
    parser.add_argument("--rate", type=int, choices=SAMPLE_RATES_HZ, default=16000, help="default: %(default)s")
    parser.add_argument("--resume", default="", metavar="SESSION", help="resume this session")
    parser.add_argument("--at-once", action="store_true", help="do not wait for the greeting to end")
    parser.add_argument(
        "--wait-s", type=float, default=60.0, help="how long the agent may take to finish (default: %(default).0f)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_call(options))


async def _call(options: argparse.Namespace) -> int:
    pcm = read_wav(options.file, options.rate)
    call = Conversation(
        options.server,
        agent=options.agent,
        session_id=options.resume,
        language=options.language,
        sample_rate_hz=options.rate,
        record=options.out is not None,
    )
    failure: str | None = None
    with _shown(options.json) as show:
        async with call, Listener(call, show) as listener:
            async with Microphone(call) as microphone:
                try:
                    await _converse(call, listener, microphone, pcm, options)
                except WaitedTooLong as error:
                    failure = f"{error} (--wait-s)"
            ended_ms = call.elapsed_ms
    if listener.failure is not None:
        failure = str(listener.failure)
    if options.out is not None:
        call.write_recording(options.out)
    if options.json:
        if failure is not None:
            _print_json({"event": "call_failed", "at_ms": round(ended_ms, 1), "message": failure})
        summary = call_summary(call.turns)
        _print_json({"event": summary.pop("event"), "at_ms": round(ended_ms, 1)} | summary)
    elif failure is not None:
        console(to_stderr=True).print(f"parley: {failure}", style="bold red", soft_wrap=True)
    return 0 if failure is None else 1


async def _converse(
    call: Conversation, listener: Listener, microphone: Microphone, pcm: bytes, options: argparse.Namespace
) -> None:
    if not options.at_once:
        await listener.until(
            lambda: listener.agent_is_done(GREETING_QUIET_MS), options.wait_s, "the agent finishes its greeting"
        )
    with contextlib.suppress(CallError):  # a call that ends in mid-sentence: the listener knows why
        await microphone.say(pcm)
    await listener.until(lambda: listener.agent_is_done(END_QUIET_MS), options.wait_s, "the agent finishes its answer")
    await call.end()
    await listener.until(lambda: listener.has_ended, 10.0, "the server ends the call")


@contextlib.contextmanager
def _shown(as_json: bool) -> Iterator[Callable[[events.Event], None]]:
    if as_json:
        yield _show_json
        return
    with LiveView(console()) as view:
        yield view.show


def _show_json(event: events.Event) -> None:
    if not isinstance(event, events.AgentAudio) or event.is_first or event.is_stale:
        _print_json(events.to_json(event))


def _print_json(entry: dict[str, Any]) -> None:
    print(json.dumps(entry), flush=True)  # noqa: T201 - a command speaks to its terminal
