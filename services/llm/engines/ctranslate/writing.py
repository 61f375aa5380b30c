"""One reply from its first token to its end, with one more try for a tool call that is no good."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

from tokenizers.decoders import DecodeStream

from services.common.errors import EngineFault
from services.llm.engine import Begun, Finished, FinishReason, LlmEvent, ToolCall, Usage
from services.llm.engines.chat.prompts import Prompts
from services.llm.engines.chat.replies import Piece, ReplyReader
from services.llm.engines.ctranslate.decoding import Decoding, Order
from services.llm.toolgate import Validators, check_call

RETRY_TEMPERATURE = 0.7
"""A tool call that is no good is written again at least this warm: greedy decoding would write the same once more."""


class Writing:
    """Writes one reply. `decode` opens a generation for an order; it is left as soon as its tokens are not wanted."""

    def __init__(
        self,
        prompts: Prompts,
        order: Order,
        validators: Validators,
        decode: Callable[[Order], AbstractAsyncContextManager[Decoding]],
        *,
        opens_thinking: bool,
        prompt_tokens: int,
    ) -> None:
        self._tokenizer = prompts.tokenizer
        self._hides_special = prompts.hides_special
        self._order = order
        self._validators = validators
        self._decode = decode
        self._reader = ReplyReader(opens_thinking)
        self._prompt_tokens = prompt_tokens
        self._written = ""
        self._tokens = 0
        self._has_called = False
        self._may_retry = True

    async def events(self) -> AsyncGenerator[LlmEvent, None]:
        """Yield Begun, what leaves, then one Finished. Raises EngineFault for a call that is no good twice."""
        order: Order | None = self._order
        has_begun = False
        reason = FinishReason.STOP
        while order is not None:
            try:
                async with aclosing(self._attempt(order)) as events:
                    async for event in events:
                        if isinstance(event, FinishReason):
                            reason = event
                        elif isinstance(event, Begun):
                            if not has_begun:  # a second try waits with the reply under way: that is no queue of it
                                has_begun = True
                                yield event
                        else:
                            self._has_called |= isinstance(event, ToolCall)
                            yield event
                order = None
            except _BadCall as bad:
                order = self._again(bad.good_chars)
        yield Finished(
            FinishReason.TOOL_CALLS if self._has_called else reason, Usage(self._prompt_tokens, self._tokens)
        )

    async def _attempt(self, order: Order) -> AsyncGenerator[Begun | Piece | FinishReason, None]:
        text = DecodeStream(skip_special_tokens=self._hides_special)
        left = order.max_tokens
        reason = FinishReason.STOP
        async with self._decode(order) as decoding, aclosing(decoding.tokens()) as arriving:
            yield Begun(decoding.queue_us)
            async for tokens in arriving:
                for token in tokens:
                    if token.id in order.end_ids:
                        continue
                    left -= 1
                    self._tokens += 1
                    if token.is_last and not left:
                        reason = FinishReason.LENGTH
                    for piece in self._read(text.step(self._tokenizer, token.id) or ""):
                        yield piece
        for piece in self._checked(self._reader.done_chars, self._reader.finish):
            yield piece
        yield reason

    def _read(self, text: str) -> list[Piece]:
        good_chars = self._reader.done_chars
        self._written += text
        return self._checked(good_chars, lambda: self._reader.feed(text))

    def _checked(self, good_chars: int, read: Callable[[], list[Piece]]) -> list[Piece]:
        """Return what `read` gives. Raises _BadCall for a call that is no good, while there is another try."""
        try:
            pieces = read()
            if self._may_retry:
                for piece in pieces:
                    if isinstance(piece, ToolCall):
                        check_call(piece, self._validators)
        except EngineFault:
            if not self._may_retry:
                raise
            raise _BadCall(good_chars) from None
        return pieces

    def _again(self, good_chars: int) -> Order:
        """Return the order that goes on after what was good: what has left is not taken back."""
        self._may_retry = False
        good = self._written[:good_chars]
        self._written = good
        self._reader = ReplyReader()
        said: list[str] = self._tokenizer.encode(good, add_special_tokens=False).tokens
        return replace(
            self._order,
            prompt=[*self._order.prompt, *said],
            temperature=max(self._order.temperature, RETRY_TEMPERATURE),
            max_tokens=max(1, self._order.max_tokens - len(said)),
        )


class _BadCall(Exception):
    def __init__(self, good_chars: int) -> None:
        super().__init__()
        self.good_chars = good_chars
