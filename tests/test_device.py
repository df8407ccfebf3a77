"""What is chosen for which hardware, and that asking is cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from memapp import device
from memapp.device import Cpu, Gpu

XEON = "processor : 0\nmodel name : Some Xeon\nflags : fpu avx2 avx512_bf16 amx_bf16 amx_int8\n\nprocessor : 1\n"
ARM = "processor : 0\nFeatures : fp asimd bf16\n"
BOARD = Gpu("Some GPU", 1, 8 * 1024**3)


def with_gpu(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | None, *installed: str) -> None:
    monkeypatch.setattr(device, "gpu", lambda: gpu)
    monkeypatch.setattr(device, "_distribution", lambda name: name in installed)
    monkeypatch.setattr(device, "find_spec", lambda name: object())


def with_cpu(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    monkeypatch.setattr(device, "cpu", lambda: Cpu("c", "m", 3, frozenset(flags)))


def test_reads_what_linux_tells_of_a_processor() -> None:
    cpu = device._parse_cpu(XEON)
    assert cpu.name == "Some Xeon"
    assert {"avx512_bf16", "amx_int8"} <= cpu.flags
    assert cpu.bf16
    assert device._parse_cpu(ARM).bf16


def test_an_unknown_processor_is_no_error() -> None:
    cpu = device._parse_cpu("")
    assert cpu.cores >= 1
    assert cpu.flags == frozenset()
    assert not cpu.bf16


def test_this_machine_can_be_described() -> None:
    rows = device.report()
    assert [row[0] for row in rows] == [
        "processor",
        "model threads",
        "layers on GPU",
        "embedder",
        "vector search",
        "training",
    ]
    assert all(all(row) for row in rows)


def test_threads_are_one_per_core_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cpu(monkeypatch)
    assert device.threads().value == 3
    assert device.threads(7) == device.Number(7, "set by hand")


def test_layers_go_to_a_gpu_that_is_there_free_and_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    assert device.gpu_layers(True).value == 0
    with_gpu(monkeypatch, BOARD)
    assert device.gpu_layers(True).value == -1
    assert "Some GPU" in device.gpu_layers(True).reason
    assert device.gpu_layers(False).value == 0
    assert "without GPU support" in device.gpu_layers(False).reason
    assert device.gpu_layers(False, 5) == device.Number(5, "set by hand")
    with_gpu(monkeypatch, Gpu("Some GPU", 1, 100 * 2**20))
    assert device.gpu_layers(True) == device.Number(0, "Some GPU has only 100 MiB free")
    with_gpu(monkeypatch, Gpu("Some GPU", 1, None))
    assert device.gpu_layers(True).value == -1


def test_the_embedder_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    with_cpu(monkeypatch, "avx512_bf16", "amx_bf16")
    assert device.embedder() == device.EmbedderChoice("openvino", "bf16", "the CPU has AVX512-BF16 and AMX")
    with_cpu(monkeypatch, "avx2")
    assert device.embedder().precision == "f32"
    with_gpu(monkeypatch, BOARD)
    assert device.embedder().runtime == "openvino"
    with_gpu(monkeypatch, BOARD, "onnxruntime-gpu")
    assert device.embedder().runtime == "cuda"


def test_vectors_are_searched_on_a_gpu_only_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None, "faiss-gpu")
    assert device.faiss_device().value == "cpu"
    with_gpu(monkeypatch, BOARD)
    assert "not installed" in device.faiss_device().reason
    with_gpu(monkeypatch, BOARD, "faiss-gpu")
    assert device.faiss_device().value == "gpu"


def test_a_hidden_gpu_is_not_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = tmp_path / "0000:01:00.0"
    board.mkdir()
    (board / "information").write_text("Model: \t Test Board\nIRQ: 1\n")
    monkeypatch.setattr(device, "_NVIDIA", tmp_path)
    monkeypatch.setattr(device, "_free_memory", lambda: 5)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device.gpu.cache_clear()
    assert device.gpu() == Gpu("Test Board", 1, 5)
    device.gpu.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.gpu() is None
    device.gpu.cache_clear()


def test_asking_loads_nothing_heavy() -> None:
    code = (
        "import sys, memapp.device as d; d.report();"
        "print([m for m in ('numpy','openvino','llama_cpp','faiss','onnxruntime','torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
