"""Silero VAD, batched across all streams, and Smart Turn v3 for P(complete); both ONNX, by default on the CPU.

Silero 6.2.3 takes windows of 512 samples with the 64 before them and keeps an LSTM state a stream; Smart Turn v3.2
takes the log-mel spectrogram of at most the last 8 s of the turn. One intra-op thread each: more is slower under load.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # noqa: F401 (where it is missing, choosing this engine tells the extra that brings it)

from services.common.audio import StreamResampler
from services.common.errors import EngineFault, NotReady, Overloaded
from services.common.onnx_sessions import Device, SessionNeeds, open_session
from services.turn.engine import Capabilities, Completeness, Frame, Heard
from services.turn.engines.batching import WINDOW, Float32, VadBatcher
from services.turn.engines.judging import Judge
from services.turn.features import BANDS, FRAMES, SAMPLE_RATE_HZ, WINDOW_S, log_mel
from services.turn.gate import GateRules
from services.turn.settings import TurnSettings

log = logging.getLogger(__name__)

VAD_FILE = "silero_vad_op18_ifless.onnx"
SMART_TURN_FILE = "smart-turn-v3.2-cpu.onnx"
FETCH_COMMAND = "python scripts/fetch_turn_models.py"

FRAME = 512
FRAME_MS = FRAME * 1000 // SAMPLE_RATE_HZ
_FRAME_BYTES = FRAME * 2
_CONTEXT = WINDOW - FRAME
_QUIET = 10 ** (-66 / 20)
"""Root mean square under which a frame is silence whatever the model says: Silero trails speech by up to 90 ms."""
_PARTS = 4
"""Parts of a frame whose level is told: 8 ms, so that the end of speech is not as coarse as a frame."""
_PART = FRAME // _PARTS
_SILENCE_POWER = np.float32(1e-12)
_IDLE_FRAMES = 32
"""Silent frames in a row after which the model is left alone: its state has settled, a muted caller costs nothing."""
_LEAD_MS = 500
"""Audio before the onset that Smart Turn is given with the turn, as in its own pipeline."""
_KEPT_FRAMES = WINDOW_S * 1000 // FRAME_MS
_NOTHING = Heard(())


def _load(path: Path, needs: SessionNeeds) -> Any:
    try:
        return open_session(path, needs)
    except EngineFault as error:
        raise NotReady(f"cannot load {path.name}: {error}; fetch it again with `{FETCH_COMMAND}`") from error


def _to_dbfs(powers: Float32) -> Float32:
    levels: Float32 = np.float32(10) * np.log10(np.maximum(powers, _SILENCE_POWER))
    return levels


class SileroSmartTurn:
    """The default engine."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._vad: Any = None
        self._smart_turn: Any = None
        self._rate = np.array(SAMPLE_RATE_HZ, np.int64)
        self._vad_thread = ThreadPoolExecutor(1, "turn-vad")
        self._judge_thread = ThreadPoolExecutor(1, "turn-judge")
        timeout_s = settings.engine_timeout_ms / 1000
        self._batcher = VadBatcher(self._run_vad, self._vad_thread, settings.max_streams, timeout_s)
        self._judge = Judge(self._judge_thread, settings.judge_queue, settings.judge_deadline_ms / 1000)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def capabilities(self) -> Capabilities:
        """What is loaded."""
        has_judge = self._smart_turn is not None
        return Capabilities(
            engine="silero-smart-turn",
            model="silero-vad 6.2.3" + (" + smart-turn v3.2" if has_judge else ""),
            capacity_streams=self._settings.max_streams,
            uses_audio_model=has_judge,
            gate=GateRules(),
        )

    async def start(self) -> None:
        """Load and warm both models; goes on without Smart Turn's.

        Raises NotReady where Silero's is missing, InvalidInput where a model is not on the device that was asked for.
        """
        folder = self._settings.resolved_model_dir()
        if not (folder / VAD_FILE).is_file():
            raise NotReady(f"{folder / VAD_FILE} is missing: fetch it with `{FETCH_COMMAND}`")
        vad_needs = self._needs(self._settings.silero_device, "PARLEY_TURN_SILERO_DEVICE")
        self._vad = await asyncio.to_thread(_load, folder / VAD_FILE, vad_needs)
        if (folder / SMART_TURN_FILE).is_file():
            judge_needs = self._needs(self._settings.smart_turn_device, "PARLEY_TURN_SMART_TURN_DEVICE")
            self._smart_turn = await asyncio.to_thread(_load, folder / SMART_TURN_FILE, judge_needs)
            await asyncio.to_thread(self._run_smart_turn, [bytes(_FRAME_BYTES)])
        else:
            log.warning(
                "no audio model of turn ends: voice activity and text alone decide",
                extra={"missing": str(folder / SMART_TURN_FILE), "fetch": FETCH_COMMAND},
            )
        warm_up = np.zeros((1, WINDOW), np.float32), np.zeros((2, 1, 128), np.float32)
        await asyncio.to_thread(self._run_vad, *warm_up)
        self._tasks = [
            asyncio.create_task(self._batcher.serve(), name="turn-vad"),
            asyncio.create_task(self._judge.serve(), name="turn-judge"),
        ]

    def _needs(self, device: Device, setting: str) -> SessionNeeds:
        memory_bytes = self._settings.gpu_memory_mb << 20
        return SessionNeeds(device, setting, cuda_device=self._settings.cuda_device, gpu_memory_bytes=memory_bytes)

    def open(self, sample_rate_hz: int) -> SileroStream:
        """Open a stream. Raises Overloaded where every slot is taken."""
        slot = self._batcher.take_slot()
        if slot is None:
            raise Overloaded(f"all {self._settings.max_streams} streams of turn detection are taken")
        return SileroStream(self, slot, sample_rate_hz)

    async def close(self) -> None:
        """Stop the tasks and the threads; a model call that hangs is not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._vad_thread.shutdown(wait=False, cancel_futures=True)
        self._judge_thread.shutdown(wait=False, cancel_futures=True)

    @property
    def batcher(self) -> VadBatcher:
        """Where streams have their frames run."""
        return self._batcher

    async def judge(self, frames: list[bytes]) -> Completeness | None:
        """Return P(complete) of these frames, or None without a model or in time."""
        if self._smart_turn is None:
            return None
        try:
            return await self._judge.ask(partial(self._run_smart_turn, frames))
        except Exception as error:
            raise EngineFault(f"Smart Turn failed: {type(error).__name__}") from error

    def _run_vad(self, windows: Float32, state: Float32) -> tuple[Float32, Float32]:
        probabilities, new_state = self._vad.run(None, {"input": windows, "state": state, "sr": self._rate})
        return probabilities, new_state

    def _run_smart_turn(self, frames: list[bytes]) -> float:
        samples = np.frombuffer(b"".join(frames), "<i2").astype(np.float32) * np.float32(1 / 32768)
        features = log_mel(samples).reshape(1, BANDS, FRAMES)
        return float(self._smart_turn.run(None, {"input_features": features})[0][0, 0])


class SileroStream:
    """One caller's audio: cut into frames of 32 ms, the last 8 s kept for Smart Turn."""

    def __init__(self, engine: SileroSmartTurn, slot: int, sample_rate_hz: int) -> None:
        self._engine = engine
        self._slot = slot
        self._resampler = StreamResampler(sample_rate_hz, SAMPLE_RATE_HZ)
        self._pending = b""
        self._context = np.zeros(_CONTEXT, np.float32)
        self._kept: deque[bytes] = deque(maxlen=_KEPT_FRAMES)
        self._frames_heard = 0
        self._silent_frames = 0
        self._closed = False

    async def hear(self, pcm: bytes) -> Heard:
        """Return the frames that `pcm` completes."""
        pending = self._pending + self._resampler.process(pcm)
        count = len(pending) // _FRAME_BYTES
        if not count:
            self._pending = pending
            return _NOTHING
        used = count * _FRAME_BYTES
        self._pending = pending[used:]
        samples = np.empty(_CONTEXT + count * FRAME, np.float32)
        samples[:_CONTEXT] = self._context
        np.multiply(np.frombuffer(pending, "<i2", count * FRAME), np.float32(1 / 32768), out=samples[_CONTEXT:])
        self._context = samples[-_CONTEXT:]
        for start in range(0, used, _FRAME_BYTES):
            self._kept.append(pending[start : start + _FRAME_BYTES])
        parts = samples[_CONTEXT:].reshape(count * _PARTS, _PART)
        powers = (np.einsum("ij,ij->i", parts, parts) / _PART).reshape(count, _PARTS)
        has_sound = powers.sum(axis=1) > _PARTS * _QUIET**2
        if has_sound.any():
            self._silent_frames = 0
        elif self._silent_frames >= _IDLE_FRAMES:
            return Heard(self._to_frames([0.0] * count, [()] * count))
        else:
            self._silent_frames += count
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::FRAME]
        job = await self._engine.batcher.run_frames(self._slot, windows)
        return Heard(
            self._to_frames((np.asarray(job.probabilities) * has_sound).tolist(), _to_dbfs(powers).tolist()),
            queue_us=round((job.started_s - job.queued_s) * 1e6),
            engine_us=round(job.engine_s * 1e6),
        )

    async def judge(self, onset_ms: float) -> Completeness | None:
        """Return P(complete) of what was heard since shortly before `onset_ms`, at most 8 s."""
        wanted = self._frames_heard - int(max(0.0, onset_ms - _LEAD_MS)) // FRAME_MS
        kept = list(self._kept)
        return await self._engine.judge(kept[-wanted:] if wanted > 0 else kept)

    def close(self) -> None:
        """Give the slot back."""
        if not self._closed:
            self._closed = True
            self._engine.batcher.give_slot(self._slot)

    def _to_frames(self, probabilities: list[float], levels_dbfs: Sequence[Sequence[float]]) -> list[Frame]:
        first = self._frames_heard
        self._frames_heard += len(probabilities)
        return [
            Frame((first + i) * FRAME_MS, (first + i + 1) * FRAME_MS, probability, levels)
            for i, (probability, levels) in enumerate(zip(probabilities, levels_dbfs, strict=True))
        ]
