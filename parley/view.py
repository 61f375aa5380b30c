"""A call as it happens, for a person at a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from parley import events
from parley.report import waterfall

_STATE_STYLE = {
    events.State.LISTENING: "green",
    events.State.THINKING: "yellow",
    events.State.SPEAKING: "cyan",
    events.State.INTERRUPTED: "red",
}


class LiveView:
    """Prints what happens as lines. On a terminal, the state and the partial transcript stand in one line that changes.

    Without a terminal every state and every new partial is a line of its own, and nothing is coloured.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(Text(), console=console, transient=True, refresh_per_second=15) if console.is_terminal else None
        )
        self._state = events.State.UNKNOWN
        self._partial = ""
        self._plain = not console.is_terminal or "utf" not in console.encoding.lower()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live is not None:
            self._live.update(Text())
            self._live.stop()

    def show(self, event: events.Event) -> None:
        """Show one event. Agent audio is shown as the first of a turn alone."""
        match event:
            case events.StateChanged(state=state):
                self._state = state
                self._status(event, state.value, "dim")
            case events.Transcript(speaker=events.Speaker.USER, is_final=False, text=text):
                if text != self._partial:
                    self._partial = text
                    self._status(event, f"caller (partial): {text}", "dim")
            case events.TurnSummary():
                self._turn(event)
            case _:
                for text, style in self._lines(event):
                    self._line(event.at_ms, text, style)

    def note(self, at_ms: float, text: str, style: str = "bold magenta") -> None:
        """Print a line of the caller's own."""
        self._line(at_ms, text, style)

    def _lines(self, event: events.Event) -> list[tuple[str, str]]:
        match event:
            case events.Started(agent=agent, session_id=session, stages=stages):
                engines = ", ".join(f"{stage.stage} {stage.engine}" for stage in stages)
                return [(f"call to {agent}, session {session} ({engines})", "bold")]
            case events.Transcript(speaker=events.Speaker.USER, text=text, confidence=confidence):
                self._partial = ""
                sure = f"  [{confidence:.2f}]" if confidence else ""
                return [(f"caller: {text}{sure}", "bold green")]
            case events.Transcript(text=text):
                return [(f"agent:  {text}", "bold cyan")]
            case events.AgentAudio(is_stale=True):
                return [("stale audio frame arrived", "red")]
            case events.PlaybackPaused():
                return [("the caller speaks over the agent: playback paused", "red")]
            case events.PlaybackResumed():
                return [("not an interruption: playback goes on", "yellow")]
            case events.PlaybackCleared():
                return [("barge-in: the rest of the answer is dropped", "bold red")]
            case events.ToolCall():
                return [_tool_line(event)]
            case events.ErrorEvent(code=code, message=message):  # which begins with the stage, where it is one's
                return [(f"error {code}: {message}", "bold red")]
            case events.GoingAway(grace_ms=grace_ms):
                return [(f"the server stops in {grace_ms / 1000:.0f} s", "red")]
            case events.Ended(reason=reason):
                return [(f"the call has ended ({reason})", "bold")]
        return []

    def _turn(self, turn: events.TurnSummary) -> None:
        if turn.interrupted:
            self._line(turn.at_ms, f"heard of the answer: {turn.heard_text!r}", "red")
        if turn.outcome:
            self._line(turn.at_ms, f"turn ended: {turn.outcome}", "yellow")
        for line in waterfall(turn, is_plain=self._plain):
            self._console.print(line, soft_wrap=True)

    def _status(self, event: events.Event, text: str, style: str) -> None:
        if self._live is None:
            self._line(event.at_ms, text, style)
            return
        partial = f"  {self._partial}" if self._partial else ""
        self._live.update(Text.assemble((f"  {self._state.value}", _STATE_STYLE.get(self._state, "dim")), partial))

    def _line(self, at_ms: float, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{at_ms / 1000:7.2f} s  ", "dim"), (text, style)), soft_wrap=True)


def _tool_line(call: events.ToolCall) -> tuple[str, str]:
    match call.status:
        case events.ToolStatus.SUCCEEDED:
            return f"tool:   {call.tool} returned {call.result_json} after {call.duration_ms} ms", "magenta"
        case events.ToolStatus.FAILED:
            return f"tool:   {call.tool} failed after {call.duration_ms} ms: {call.error}", "bold red"
        case _:
            return f"tool:   {call.tool}({call.arguments_json})", "magenta"
