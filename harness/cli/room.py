"""The folder of a run while it lasts, and the room in it for spooled turns; it measures none."""

import datetime
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import record
from harness.cli.exits import DiskFull
from harness.clock import ClockName

SPOOLS = ".spools"
"""Hidden in the run's folder, and gone when the run is whole."""


def new_run(out: Path, at: datetime.datetime, what: str, clock: ClockName, seed: int) -> Path:
    """A fresh folder below `out`, made as the run begins; without its summary it is no run yet."""
    return record.new_folder(out, f"{at:%Y%m%d-%H%M%S}-{what}-{clock}-s{seed}")


def room_in(folder: Path) -> Path:
    return folder / SPOOLS


def is_full(error: BaseException) -> bool:
    """Whether it says that a disk takes no more, or no more of this user."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def telling_of_full_disks(folder: Path) -> Iterator[None]:
    """A full disk is no bug: what was measured until then stays where it is, and that is told."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFull(
            f"no space is left on the disk of {folder}: free some, or name another --out, and run "
            f"again; the turns that were measured until then are in {room_in(folder)}"
        ) from None


def clear(folder: Path) -> None:
    """What was spooled is elsewhere by now."""
    shutil.rmtree(room_in(folder), ignore_errors=True)


def turns_left(folder: Path) -> int | None:
    """How many turns a run that was cut off has left there; None where it left no room."""
    if not room_in(folder).is_dir():
        return None
    spools = sorted(room_in(folder).iterdir())
    return sum(len(rows.flows) for spool in spools for rows in record.spooled(spool))
