"""How the effects move with the split of the payment overhead, as a table in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import RunSummary
from harness.report.words import factor_name, interval, percentile


def print_session_shares(runs: Sequence[tuple[float, RunSummary, str]], console: Console) -> None:
    """A table a quantile, with a row an effect and a column a session share; a cell is a change in
    ms above its 95% interval. Then a line a run: whether to believe it, and where it is kept."""
    summaries = [summary for _, summary, _ in runs]
    for quantile in sorted({e.quantile for summary in summaries for e in summary.effects}):
        heading = f"Change at {percentile(quantile)} by the session's share of the overhead, ms"
        console.print(Text(f"{heading}, with 95% intervals", "bold"))
        table = Table(box=None, pad_edge=False, header_style="")
        table.add_column("mitigation")
        for share, _, _ in runs:
            table.add_column(f"{share:.0%}", justify="right", no_wrap=True)
        for factor in dict.fromkeys(e.factor for summary in summaries for e in summary.effects):
            if ":" not in factor:
                cells = [_cell(summary, factor, quantile) for summary in summaries]
                table.add_row(factor_name(factor), *cells)
        console.print(table)
        console.print()
    for share, summary, path in runs:
        reasons = "; ".join(summary.invalid_because)
        state = ("VALID", "green") if summary.valid else (f"INVALID {reasons}", "red")
        console.print(Text.assemble(f"{share:.0%}  ", state))
        console.print(Text(f"     results  {path}"), soft_wrap=True)


def _cell(summary: RunSummary, factor: str, quantile: float) -> str:
    for effect in summary.effects:
        if (effect.factor, effect.quantile) == (factor, quantile):
            return interval(effect.estimate_ms, effect.lo_ms, effect.hi_ms).replace(" [", "\n[")
    return "unknown"
