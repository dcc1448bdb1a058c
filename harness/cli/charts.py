"""The charts and the page of a run, drawn on as many cores as it may use; it shows nothing."""

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.room import is_full
from harness.record import Columns, RunSummary
from harness.report.charts import charts_of, draw
from harness.report.page import write_page


def draw_report(summary: RunSummary, columns: Columns, folder: Path, jobs: int) -> None:
    """All charts as SVG and PNG, and the page that holds them. Where the disk has no space for them
    that is told, and the run is whole without."""
    try:
        _draw_report(summary, columns, folder, jobs)
    except OSError as error:
        if not is_full(error):
            raise
        told = f"no space is left on the disk of {folder} for the charts and the page; the run is"
        mend = f"stored there: free some, then: tollbench report {folder}"
        print(f"tollbench: {told} {mend}", file=sys.stderr)


def _draw_report(summary: RunSummary, columns: Columns, folder: Path, jobs: int) -> None:
    names = charts_of(summary)
    _draw_all(names, summary, columns, folder, jobs)
    svgs = {name: (folder / f"{name}.svg").read_text("utf-8") for name in names}
    write_page(folder, summary, svgs)


def _draw_all(
    names: Sequence[str], summary: RunSummary, columns: Columns, folder: Path, jobs: int
) -> None:
    """Shared out to so many processes where a fork is cheap."""
    if jobs == 1 or sys.platform != "linux":
        for name in names:
            draw(name, summary, columns, folder)
        return
    fork = multiprocessing.get_context("fork")
    shares = [names[first::jobs] for first in range(min(jobs, len(names)))]
    workers = [
        fork.Process(target=_draw, args=(share, summary, columns, folder)) for share in shares
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode == _FULL for worker in workers):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _draw(names: Sequence[str], summary: RunSummary, columns: Columns, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to tell.
    try:
        for name in names:
            draw(name, summary, columns, folder)
    except OSError as error:
        if not is_full(error):
            raise
        sys.exit(_FULL)


_FULL = 28
"""How one of the processes ends that found the disk full."""
