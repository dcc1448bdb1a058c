"""The tables of the terminal report: a row a strategy, told by marks; it knows no figure."""

import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import VariantSummary
from harness.report.words import chosen, pays_apart, switched_on, varied

MARK_HEADERS = {
    "prewarm": "pre-\nwarm",
    "token_cache": "token\ncache",
    "parallel_confirm": "parallel\nconfirm",
}


HEADER_WIDTH, CELL_WIDTH = 9, 24
"""From where on the name of a flag of the user's own, and a value of a keyword, are folded."""


def print_heading(heading: str, console: Console) -> None:
    console.print()
    console.print(Text(heading, style="bold"))


def strategy_table(variants: Sequence[VariantSummary], headers: Iterable[str], gap: int) -> Table:
    """An empty table that opens with a column of marks for each mitigation or flag that varies, or
    with the payment profile or a keyword's value where that does."""
    table = plain_table(gap)
    if pays_apart(variants):
        table.add_column("pays by", no_wrap=True)
    for name in chosen(variants):
        table.add_column(_folded(name, CELL_WIDTH), no_wrap=True)
    for factor in varied(variants):
        header = MARK_HEADERS.get(factor) or _folded(factor, HEADER_WIDTH)
        table.add_column(header, justify="center", no_wrap=True)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def plain_table(gap: int) -> Table:
    # The box itself puts one blank between columns.
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap - 1, 0, 0),
        header_style="",
    )


def marks(
    variant: VariantSummary, variants: Sequence[VariantSummary], console: Console
) -> list[Text]:
    """The first cells of a strategy's row."""
    on, off = ("x", "-") if console.options.ascii_only else ("●", "·")
    payers = [Text(variant.pay)] if pays_apart(variants) else []
    values = [str(variant.factors.get(name, "")) for name in chosen(variants)]
    choices = [Text(_folded(value, CELL_WIDTH)) for value in values]
    return [*payers, *choices] + [
        Text(on) if factor in switched_on(variant) else Text(off, style="dim")
        for factor in varied(variants)
    ]


def fits(table: Table, console: Console) -> bool:
    unlimited = console.options.update(width=10_000)
    return console.measure(table, options=unlimited).maximum <= console.width


def _folded(name: str, width: int) -> str:
    """In lines of up to that many characters where its words are no longer, ended behind a word."""
    lines = [""]
    for piece in re.findall(r"[^\W_]{1,12}[\W_]?|[\W_]", name):
        if len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
