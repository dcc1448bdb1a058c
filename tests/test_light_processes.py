"""What processes that compute nothing do not load: each megabyte is there once a process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("numpy", "pyarrow", "scipy", "matplotlib")


@pytest.mark.parametrize("module", ["mocks.server", "harness.load.pipe"])
def test_what_serves_mocks_or_speaks_to_engines_loads_no_tables_of_numbers(module: str) -> None:
    told = f"import sys, {module}; print(*({{*{HEAVY}}} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
