"""Requests to vLLM, each left in a way that leaves nothing behind, and their faults by our own names."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from services.common.errors import EngineDead, EngineFault, InvalidInput
from services.common.telemetry import outgoing_metadata
from services.llm.engines.vllm import library

log = logging.getLogger(__name__)

ABORT_TIMEOUT_S = 2
PROCESS_DIED = "vLLM's process has died: its own log says of what"


class Requests:
    """What is asked of one AsyncLLM. `on_made` is called whenever it has made something for anybody."""

    def __init__(self, llm: Any, on_made: Callable[[], None]) -> None:
        self._llm = llm
        self._on_made = on_made
        self._open: set[str] = set()
        # The cache lives as long as this process, and nobody outside can guess a salt made with this.
        self._salt_key = secrets.token_bytes(32)
        self.death: str | None = None
        self.died = asyncio.Event()

    @property
    def unfinished(self) -> int:
        """Requests that vLLM itself counts."""
        count: int = self._llm.output_processor.get_num_unfinished_requests()
        return count

    @property
    def has_died(self) -> bool:
        """Whether vLLM says that its process is gone."""
        return bool(self._llm.errored)

    async def outputs(self, ids: list[int], params: Any, priority: int, tenant: str) -> AsyncGenerator[Any, None]:
        """Yield what vLLM makes of a prompt: RequestOutputs, the last one finished.

        The least priority comes first. However this is left, vLLM holds nothing of the request afterwards. Raises
        InvalidInput, EngineFault, EngineDead.
        """
        request_id = secrets.token_hex(8)
        prompt = library.tokens_input(ids, cache_salt=self._salt(tenant))
        headers = dict(outgoing_metadata()) or None
        is_finished = False
        self._open.add(request_id)
        try:
            async with aclosing(
                self._llm.generate(prompt, params, request_id, priority=priority, trace_headers=headers)
            ) as outputs:
                async for output in outputs:
                    is_finished = output.finished
                    self._check(output)
                    self._on_made()
                    yield output
        except library.EngineDeadError:
            self.die(PROCESS_DIED)
            raise EngineDead(PROCESS_DIED) from None
        except library.EngineGenerateError as error:
            raise EngineFault(f"vLLM failed a request ({type(error.__cause__).__name__})") from error
        except ValueError as error:
            # Its text may quote the conversation.
            raise InvalidInput(
                f"vLLM refuses the request ({type(error).__name__}): check the tools' schemas and the sampling settings"
            ) from None
        finally:
            self._open.discard(request_id)
            if not is_finished:
                # Closing the generator aborts the request, except where it was left while it was being added.
                await self._abort([request_id])

    def die(self, reason: str) -> None:
        """Take the engine for dead from here on."""
        if self.death is None:
            self.death = reason
            self.died.set()

    async def abandon(self) -> None:
        """End what is open: vLLM ends what is aborted without asking its process, so that nobody waits for it."""
        await self._abort(list(self._open))

    async def _abort(self, request_ids: list[str]) -> None:
        with suppress(Exception):  # an engine that cannot be told any more holds nothing either
            async with asyncio.timeout(ABORT_TIMEOUT_S):
                await self._llm.abort(request_ids)

    def _check(self, output: Any) -> None:
        """Raise for an output that ends the request otherwise than the model's way."""
        ended = {made.finish_reason for made in output.outputs}
        if "abort" in ended and self.death is not None:
            raise EngineDead(self.death)
        if ended & {"abort", "error"}:
            raise EngineFault("vLLM gave the request up")

    def _salt(self, tenant: str) -> str:
        return hashlib.blake2b(tenant.encode(), key=self._salt_key, digest_size=16).hexdigest()
