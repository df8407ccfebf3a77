"""What hardware there is, and what memapp does with it: the only module that asks.

Every choice carries the reason that `memapp doctor` prints. Nothing here loads a model, and nothing heavy is imported:
a GPU is looked for by its driver's files, not by starting a GPU runtime.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

GPU_FREE_BYTES = 2 * 1024**3
"""Less free memory than this is left to whoever uses the GPU already."""

_CPUINFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor as the operating system describes it."""

    name: str
    machine: str
    cores: int
    """Cores this process may run on."""
    flags: frozenset[str]
    """Instruction sets by their Linux names; empty where the system does not tell."""

    @property
    def bf16(self) -> bool:
        """Whether it multiplies bfloat16 numbers itself."""
        return bool({"avx512_bf16", "amx_bf16", "bf16"} & self.flags)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that could be used."""

    name: str
    count: int
    free_bytes: int | None
    """None when nothing tells without starting a GPU runtime."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and why."""

    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number that was chosen, and why."""

    value: int
    reason: str


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """How sentence vectors are computed."""

    runtime: Literal["openvino", "cuda"]
    precision: Literal["bf16", "f32"]
    reason: str


@cache
def cpu() -> Cpu:
    """The processor of this machine; unknown parts are empty, never an error."""
    return _parse_cpu(_CPUINFO.read_text(encoding="utf-8", errors="replace") if _CPUINFO.is_file() else "")


def _parse_cpu(text: str) -> Cpu:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip().lower(), value.strip())
    flags = found.get("flags") or found.get("features", "")
    name = found.get("model name") or platform.processor() or platform.machine()
    return Cpu(name=name, machine=platform.machine(), cores=_cores(), flags=frozenset(flags.split()))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@cache
def gpu() -> Gpu | None:
    """The NVIDIA GPUs that this process may use, or None; takes milliseconds and starts no GPU runtime."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1") or not _NVIDIA.is_dir():
        return None
    boards = sorted(_NVIDIA.iterdir())
    if not boards:
        return None
    return Gpu(name=_board_name(boards[0]), count=len(boards), free_bytes=_free_memory())


def _board_name(board: Path) -> str:
    try:
        lines = (board / "information").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "NVIDIA GPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "NVIDIA GPU")


def _free_memory() -> int | None:
    """Free bytes of the first GPU by the driver's own library; None when it is not there."""
    import ctypes

    class Memory(ctypes.Structure):
        _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))

    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    handle, memory = ctypes.c_void_p(), Memory()
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        if nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) != 0:
            return None
        return int(memory.free) if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0 else None
    finally:
        nvml.nvmlShutdown()


def threads(wanted: int = 0) -> Number:
    """CPU threads for models; `wanted` above 0 is taken as it is."""
    if wanted > 0:
        return Number(wanted, "set by hand")
    cores = cpu().cores
    return Number(cores, f"one per core of {cores}")


def gpu_layers(offloads: bool, wanted: int = -1) -> Number:
    """Layers of the chat model on the GPU, -1 for all; `offloads` tells whether llama.cpp was built for a GPU."""
    if wanted >= 0:
        return Number(wanted, "set by hand")
    board = gpu()
    if board is None:
        return Number(0, "no GPU was found")
    if not offloads:
        return Number(0, f"there is a GPU ({board.name}), but llama-cpp-python was built without GPU support")
    if board.free_bytes is not None and board.free_bytes < GPU_FREE_BYTES:
        return Number(0, f"{board.name} has only {board.free_bytes // 2**20} MiB free")
    return Number(-1, f"all layers on {board.name}")


def embedder() -> EmbedderChoice:
    """Runtime and precision of the embedder."""
    board = gpu()
    if board is not None and find_spec("onnxruntime") is not None and _distribution("onnxruntime-gpu"):
        return EmbedderChoice("cuda", "f32", f"onnxruntime-gpu is installed and there is a GPU ({board.name})")
    named = [name for flag, name in _BF16_NAMES.items() if flag in cpu().flags]
    if named:
        return EmbedderChoice("openvino", "bf16", f"the CPU has {' and '.join(named)}")
    return EmbedderChoice("openvino", "f32", "the CPU has no bfloat16 instructions")


_BF16_NAMES = {"avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX"}


def faiss_device() -> Choice:
    """Where vectors are searched: cpu or gpu."""
    board = gpu()
    if board is None:
        return Choice("cpu", "no GPU was found")
    if not (_distribution("faiss-gpu") or _distribution("faiss-gpu-cuvs")):
        return Choice("cpu", f"there is a GPU ({board.name}), but faiss-gpu is not installed")
    return Choice("gpu", f"faiss-gpu is installed and there is a GPU ({board.name})")


def torch_device() -> Choice:
    """Where torch computes, if at all: cpu, which means NumPy does, or cuda."""
    board = gpu()
    if board is None:
        return Choice("cpu", "no GPU was found")
    if find_spec("torch") is None:
        return Choice("cpu", f"there is a GPU ({board.name}), but torch is not installed")
    return Choice("cuda", f"torch is installed and there is a GPU ({board.name})")


def _distribution(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def report(offloads: bool = False) -> tuple[tuple[str, str, str], ...]:
    """What is used and why, one row each: what, choice, reason."""
    embeds, index, layers = embedder(), faiss_device(), gpu_layers(offloads)
    on_gpu = {0: "none", -1: "all"}.get(layers.value, str(layers.value))
    return (
        ("processor", cpu().name, f"{cpu().cores} cores, {cpu().machine}"),
        ("model threads", str(threads().value), threads().reason),
        ("layers on GPU", on_gpu, layers.reason),
        ("embedder", f"{embeds.runtime} {embeds.precision}", embeds.reason),
        ("vector search", index.value, index.reason),
        ("training", torch_device().value, torch_device().reason),
    )
