"""One stream's voices: its own, and those in which it speaks other languages. Knows no gRPC."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from services.common.errors import InvalidInput
from services.tts.engine import Speaker, SpeakerConfig, TtsEngine

log = logging.getLogger(__name__)


class Voices:
    """Speakers by language, all there from the start, so that a switch in mid-call costs a call nothing."""

    def __init__(self, engine: TtsEngine, own: SpeakerConfig, others: Mapping[str, SpeakerConfig]) -> None:
        """`others`: by BCP 47 tag. Raises InvalidInput for a voice that is named and not there.

        A language that the engine has no voice for is spoken in the stream's own.
        """
        self._own = engine.speaker(own)
        self._others: dict[str, Speaker] = {}
        for tag, config in others.items():
            try:
                self._others[tag] = engine.speaker(config)
            except InvalidInput:
                if config.voice:
                    raise
                log.warning("no voice for a language: it is spoken in the stream's own", extra={"language": tag})

    @property
    def languages(self) -> tuple[str, ...]:
        """The other languages that have a voice of their own."""
        return tuple(self._others)

    def of(self, language: str) -> Speaker:
        """Return the voice for a phrase in `language`; empty: the stream's own."""
        return self._others.get(language, self._own)
