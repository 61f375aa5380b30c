"""What can go wrong with a call, for a program to catch and a person to read.

CallError
+-- ServerUnreachable    nothing answers there, or it is not ready yet
+-- CallRefused          the server cannot use what was sent: unknown agent, session, rate, bad schema
+-- ServerBusy           the server is full; come back after retry_after_ms
+-- CallFailed           the server ended the call because of a fault; resume by session_id where there is one
+-- CallLost             the connection broke in mid-call; resume by session_id
+-- CallMisused          the SDK was used in a way that cannot work
AudioFileError           a WAV file cannot be read
SpeechError              the speech synthesis service failed
LaunchError              the services could not be started or stopped
ModelError               a model cannot be fetched, or is not what it should be
LatencyError             turns' times cannot be read, or the budget cannot
"""

from __future__ import annotations


class CallError(Exception):
    """Base of everything that can go wrong with a call. The message says what to do."""


class ServerUnreachable(CallError):
    """Nothing answers at the address, or the server is not ready."""


class CallRefused(CallError):
    """The server cannot use what was sent."""


class ServerBusy(CallError):
    """The server is full, or the audio came too fast."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class CallFailed(CallError):
    """The server ended the call because of a fault of its own."""

    def __init__(self, message: str, session_id: str = "") -> None:
        super().__init__(message)
        self.session_id = session_id


class CallLost(CallError):
    """The connection broke in mid-call."""

    def __init__(self, message: str, session_id: str = "") -> None:
        super().__init__(message)
        self.session_id = session_id


class CallMisused(CallError):
    """The SDK was used in a way that cannot work."""


class AudioFileError(Exception):
    """A WAV file cannot be read."""


class SpeechError(Exception):
    """The speech synthesis service failed."""


class LaunchError(Exception):
    """The services could not be started or stopped."""


class ModelError(Exception):
    """A model cannot be fetched, or is not what it should be."""


class LatencyError(Exception):
    """Turns' times cannot be read, or the budget they are held against cannot."""
