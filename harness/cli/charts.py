"""The charts and the page of a run, drawn on as many cores as it may use; it shows nothing."""

import multiprocessing
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.record import Columns, RunSummary
from harness.report.charts import charts_of, draw
from harness.report.page import write_page


def draw_report(summary: RunSummary, columns: Columns, folder: Path, jobs: int) -> None:
    """All charts as SVG and PNG, and the page that holds them."""
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


def _draw(names: Sequence[str], summary: RunSummary, columns: Columns, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to tell.
    for name in names:
        draw(name, summary, columns, folder)
