"""The processes that made a load, each with its account, as a table; it adds nothing up."""

from rich.console import Console

from harness.record import EngineSummary, RunSummary
from harness.report.tables import plain_table, print_heading

COUNTS = ("due", "started", "finished", "failed", "running", "lost")


def engines_told(summary: RunSummary) -> list[EngineSummary]:
    """All of them where there are several, or one lost anything."""
    told = len(summary.engines) > 1 or any(e.lost or e.died for e in summary.engines)
    return summary.engines if told else []


def print_engines(summary: RunSummary, console: Console) -> None:
    """Nothing where one process did all, and lived."""
    engines = engines_told(summary)
    if not engines:
        return
    print_heading("Engines: started = finished + failed + running + lost", console)
    table = plain_table(2)
    table.add_column("engine", overflow="fold")
    for name in COUNTS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("died", overflow="fold")
    for one in engines:
        table.add_row(one.name, *(f"{getattr(one, name):,}" for name in COUNTS), one.died)
    console.print(table)
