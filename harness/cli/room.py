"""The folder of a run while it lasts, and the room in it for spooled turns; it measures none."""

import datetime
import shutil
from pathlib import Path

from harness import record
from harness.clock import ClockName

SPOOLS = ".spools"
"""Hidden in the run's folder, and gone when the run is whole."""


def new_run(out: Path, at: datetime.datetime, what: str, clock: ClockName, seed: int) -> Path:
    """A fresh folder below `out`, made as the run begins; without its summary it is no run yet."""
    return record.new_folder(out, f"{at:%Y%m%d-%H%M%S}-{what}-{clock}-s{seed}")


def room_in(folder: Path) -> Path:
    return folder / SPOOLS


def clear(folder: Path) -> None:
    """What was spooled is elsewhere by now."""
    shutil.rmtree(room_in(folder), ignore_errors=True)


def turns_left(folder: Path) -> int | None:
    """How many turns a run that was cut off has left there; None where it left no room."""
    if not room_in(folder).is_dir():
        return None
    spools = sorted(room_in(folder).iterdir())
    return sum(len(rows.flows) for spool in spools for rows in record.spooled(spool))
