"""What a caller is told when something goes wrong, and what is logged of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator import events as ev
from services.orchestrator import messages
from services.orchestrator.stages.stream import StageError

log = logging.getLogger(__name__)


class Notices:
    """One call's bad news."""

    def __init__(self, send: Callable[[bytes], None], dispatch: Callable[[ev.Event], None]) -> None:
        self._send = send
        self._dispatch = dispatch

    def stage_lost(self, error: StageError) -> None:
        """Tell of a stage that failed, or is replaced."""
        if error.is_draining:
            log.info("stage is replaced", extra={"stage": error.stage})
            return
        log.warning("stage failed", extra={"stage": error.stage, "error": error.detail})
        self._send(messages.error(pb.ERROR_CODE_STAGE_FAILED, str(error), stage=error.stage))

    def stage_gave_up(self, error: StageError) -> None:
        """Tell of a stage that stays down: the call is about to end."""
        log.error("stage stays down", extra={"stage": error.stage, "error": error.detail})
        self._send(messages.error(pb.ERROR_CODE_STAGE_FAILED, str(error), stage=error.stage, is_fatal=True))
        self._dispatch(ev.StageGaveUp())

    def refused(self, code: pb.ErrorCode.ValueType, message: str) -> None:
        """Tell of a message that could not be used."""
        self._send(messages.error(code, message))

    def store_failed(self) -> None:
        """Tell that the session could not be resumed for now."""
        message = "the session store does not answer: the call goes on, but could not be resumed"
        self._send(messages.error(pb.ERROR_CODE_SESSION_STORE, message))
