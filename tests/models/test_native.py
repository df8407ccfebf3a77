"""How llama.cpp is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.models

LOAD = "from memapp.models.native import library; import os; library(); print(sorted(os.environ))"


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, "300"), ({"OMP_WAIT_POLICY": "passive"}, "0"), ({"GOMP_SPINCOUNT": "7"}, "7")],
    ids=["nothing said", "a policy", "a count"],
)
def test_threads_spin_for_a_moment_unless_the_user_says_otherwise(said: dict[str, str], spins: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    shown = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={**environment, "OMP_DISPLAY_ENV": "verbose", **said},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spins}'" in shown.stderr
    assert ("GOMP_SPINCOUNT" in shown.stdout) == ("GOMP_SPINCOUNT" in said), "our own setting stays out of the way"
