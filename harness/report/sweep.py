"""How the effects move with the split of the payment overhead, as a table in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from harness.record import RunSummary
from harness.report.words import factor_name, interval, percentile


def print_sweep(runs: Sequence[tuple[float, RunSummary, str]], console: Console) -> None:
    """A row an effect, a column a session share; each cell in ms with its 95 % interval."""
    for quantile in sorted({e.quantile for _, summary, _ in runs for e in summary.effects}):
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(f"change at {percentile(quantile)}, ms")
        for share, _, _ in runs:
            table.add_column(f"session {share:.0%}", justify="right")
        for factor in dict.fromkeys(e.factor for _, summary, _ in runs for e in summary.effects):
            if ":" not in factor:
                cells = [_cell(summary, factor, quantile) for _, summary, _ in runs]
                table.add_row(factor_name(factor), *cells)
        console.print(table)
        console.print()
    for share, summary, path in runs:
        state = "valid" if summary.valid else "INVALID " + "; ".join(summary.invalid_because)
        console.print(f"session {share:.0%}: {state}, {path}", highlight=False, soft_wrap=True)


def _cell(summary: RunSummary, factor: str, quantile: float) -> str:
    for effect in summary.effects:
        if (effect.factor, effect.quantile) == (factor, quantile):
            return interval(effect.estimate_ms, effect.lo_ms, effect.hi_ms)
    return "unknown"
