"""ONNX models opened on a device that is asserted: onnxruntime falls back to the CPU without a word, this does not."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.common.errors import EngineFault, InvalidInput

log = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True)
class SessionNeeds:
    """Where and how a model is to run."""

    device: Device = "cpu"
    """`cuda`: there or not at all. `auto`: there if it can be had, else on the CPU with a line in the log."""
    setting: str = ""
    """The environment variable that `device` came from, for the error text."""
    threads: int = 1
    """Threads within one call on the CPU; 0 lets onnxruntime take all cores."""
    cuda_device: int = 0
    gpu_memory_bytes: int = 0
    """What this session's arena may take of the GPU; 0 is no limit."""


def open_session(model: Path | bytes, needs: SessionNeeds) -> Any:
    """Return an onnxruntime.InferenceSession for a file, or for a model in memory. Blocks: call it in a thread.

    Raises InvalidInput where CUDA was asked for and is not what the session got, EngineFault where it cannot be loaded.
    """
    import onnxruntime  # here, so that services without a model of this kind need no onnxruntime

    wants_cuda = needs.device == "cuda" or (needs.device == "auto" and CUDA in onnxruntime.get_available_providers())
    if wants_cuda and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from pip's nvidia packages, where they are installed
    session = _try_cuda(onnxruntime, model, needs) if wants_cuda else None
    if session is None:
        session = _open(onnxruntime, model, needs, [CPU])
    check_provider(session.get_providers(), needs)
    return session


def _try_cuda(onnxruntime: Any, model: Path | bytes, needs: SessionNeeds) -> Any | None:
    try:
        return _open(onnxruntime, model, needs, [(CUDA, cuda_options(needs)), CPU])
    except EngineFault as error:
        if needs.device == "cuda":
            raise InvalidInput(f"{needs.setting}=cuda: {error}: {_advice(needs)}") from error
        log.warning("no CUDA: %s", error)
        return None


def _open(onnxruntime: Any, model: Path | bytes, needs: SessionNeeds, providers: list[Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a provider that it lacks; check_provider says more
            return onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model),
                _options(onnxruntime, needs),
                providers=providers,
                enable_fallback=0,  # of a call that fails on the GPU, too: it would go on a hundred times slower
            )
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise EngineFault(f"onnxruntime cannot load the model ({type(error).__name__}: {_line(error)})") from error


def check_provider(providers: list[str], needs: SessionNeeds) -> None:
    """Hold a session's providers, the first of which runs the model, to what was asked for. Raises InvalidInput."""
    if not providers or providers[0] == CUDA or needs.device == "cpu":
        return
    if needs.device == "cuda":
        raise InvalidInput(f"{needs.setting}=cuda, but onnxruntime runs the model on {providers[0]}: {_advice(needs)}")
    log.warning("no CUDA: the model runs on the CPU", extra={"provider": providers[0], "setting": needs.setting})


def cuda_options(needs: SessionNeeds) -> dict[str, str]:
    """Return options of the CUDA provider (onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html)."""
    options = {
        "device_id": str(needs.cuda_device),
        # EXHAUSTIVE, the default, times every algorithm anew for each shape of input, and lengths vary all the time.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Not in powers of two: other models live on this GPU.
        "arena_extend_strategy": "kSameAsRequested",
    }
    if needs.gpu_memory_bytes:
        options["gpu_mem_limit"] = str(needs.gpu_memory_bytes)
    return options


def _options(onnxruntime: Any, needs: SessionNeeds) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = needs.threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan of memory for each shape of input, and lengths vary
    options.log_severity_level = 3
    # Threads that spin between two calls take the cores from the services beside.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _advice(needs: SessionNeeds) -> str:
    return (
        "install onnxruntime-gpu in place of onnxruntime (never both), with the CUDA and cuDNN that it wants (1.27 and "
        f"later: CUDA 13, cuDNN 9), and see that nvidia-smi lists a GPU in here; or set {needs.setting}=cpu"
    )


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else "no message"
