"""The machine that a run is made on, as far as a figure can hang on it; it measures nothing."""

import os
import platform


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
    }


def cores() -> int:
    """Those this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
