"""May llama.cpp repack weights on this machine? Found out in a child process, since the answer can be a crash.

For AMX, llama.cpp keeps weights in buffers of their own. Built with some versions of GCC, that code loads a
configuration of which the compiler dropped the second half, and the process dies at the first prompt. Nothing tells
such a build from a sound one, so a child tries it once; the answer is kept for this processor and this llama.cpp.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from memapp import device
from memapp.models.files import read_json, write_json
from memapp.models.native import Model, Options, build

SUSPECT_FLAG = "amx_int8"
"""Without it in the processor's flags there is nothing to fear."""

_SECONDS = 120
_FILE = "machine.json"


@dataclass(frozen=True, slots=True)
class Repacking:
    """Whether weights may be repacked, and why."""

    allowed: bool
    reason: str


def machine_key() -> str:
    """Names this processor with this llama.cpp."""
    cpu = device.cpu()
    told = json.dumps([build(), cpu.machine, cpu.name, sorted(cpu.flags)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def repacking(model: Path, directory: Path) -> Repacking:
    """The answer for this machine, tried out on `model` the first time and remembered in `directory`."""
    if SUSPECT_FLAG not in device.cpu().flags:
        return Repacking(True, "the processor has no AMX, where repacking can crash")
    known = read_json(directory / _FILE).get(machine_key())
    if not isinstance(known, bool):
        known = survives(model)
        write_json(directory / _FILE, {**read_json(directory / _FILE), machine_key(): known})
    if known:
        return Repacking(True, "tried in a child process: it works")
    return Repacking(False, "this build of llama.cpp crashes when it repacks weights for AMX")


def survives(model: Path) -> bool:
    """Whether a child process can compute a prompt with repacked weights."""
    command = [sys.executable, "-m", "memapp.models.probe", str(model)]
    try:
        return subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main(arguments: list[str]) -> int:
    """The child: reads a short prompt with repacked weights, or dies."""
    options = Options(context_tokens=256, threads=1, extra_buffers=True)
    with closing(Model(Path(arguments[0]), options)) as model, closing(model.context(options)) as context:
        context.extend(model.tokenize("One two three four five six seven eight nine ten. " * 6, special=False), bool)
        context.logits()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
