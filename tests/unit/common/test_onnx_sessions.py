from __future__ import annotations

import logging

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from services.common.errors import EngineFault, InvalidInput
from services.common.onnx_sessions import CPU, CUDA, Device, SessionNeeds, check_provider, cuda_options, open_session

pytestmark = pytest.mark.unit


def identity() -> bytes:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [given], [made])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_without_a_gpu_a_model_runs_on_the_cpu(device: Device) -> None:
    assert open_session(identity(), SessionNeeds(device)).get_providers() == [CPU]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_cuda_that_fails_to_open(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnxruntime.InferenceSession

    def no_driver(model: bytes, options: object, *, providers: list[object], enable_fallback: int) -> object:
        assert enable_fallback == 0
        if len(providers) > 1:
            raise RuntimeError("CUDA failure 35: driver too old")
        return real(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", no_driver)
    if device == "auto":
        assert open_session(identity(), SessionNeeds(device, "PARLEY_X")).get_providers() == [CPU]
    else:
        with pytest.raises(InvalidInput, match=r"driver too old.*PARLEY_X=cpu"):
            open_session(identity(), SessionNeeds(device, "PARLEY_X"))


def test_cuda_that_is_not_there_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"PARLEY_X=cuda.*onnxruntime-gpu.*PARLEY_X=cpu"):
        open_session(identity(), SessionNeeds("cuda", "PARLEY_X"))


def test_the_provider_is_what_the_session_says(caplog: pytest.LogCaptureFixture) -> None:
    check_provider([CUDA, CPU], SessionNeeds("cuda"))
    check_provider([CPU], SessionNeeds("cpu"))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        check_provider([CPU], SessionNeeds("auto", "PARLEY_X"))
    assert "CPU" in caplog.text
    with pytest.raises(InvalidInput):
        check_provider([CPU, CUDA], SessionNeeds("cuda", "PARLEY_X"))


def test_a_file_that_is_no_model_is_an_engine_fault() -> None:
    with pytest.raises(EngineFault, match="cannot load"):
        open_session(b"rubbish", SessionNeeds())


def test_the_gpu_is_shared_and_shapes_vary() -> None:
    options = cuda_options(SessionNeeds("cuda", cuda_device=1, gpu_memory_bytes=2 << 30))
    assert options["gpu_mem_limit"] == str(2 << 30)
    assert options["device_id"] == "1"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert "gpu_mem_limit" not in cuda_options(SessionNeeds("cuda"))
