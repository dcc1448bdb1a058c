"""Drawing the charts of a run on as many cores as it may use; it only starts and waits."""

import multiprocessing
import signal
import sys
from pathlib import Path

from harness.record import Rows, RunSummary
from harness.report.charts import charts_of, draw


def draw_charts(summary: RunSummary, rows: Rows, folder: Path, jobs: int) -> None:
    """All charts as SVG and PNG. Each is a process of its own where a fork is cheap and wanted."""
    if jobs == 1 or sys.platform != "linux":
        for name in charts_of(summary):
            draw(name, summary, rows, folder)
        return
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=_draw, args=(name, summary, rows, folder))
        for name in charts_of(summary)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _draw(name: str, summary: RunSummary, rows: Rows, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to tell.
    draw(name, summary, rows, folder)
