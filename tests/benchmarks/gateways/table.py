"""The results for a person: tables of 80 columns in the terminal, and Markdown for
docs/gateways.md, both from what results/gateways.json holds and nothing else."""

import re
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tests.benchmarks.gateways import words
from tests.benchmarks.gateways.results import Results
from tests.benchmarks.gateways.words import Tabled

BLOCK = re.compile(r"(<!-- gateways: [^\n]*-->\n).*?(<!-- /gateways -->)", re.DOTALL)
"""What docs/gateways.md holds of it."""


def show(results: Results, console: Console) -> None:
    for tabled in words.tables(results):
        console.print(Text(tabled.title, "bold"))
        console.print(_table(tabled))
        for text in tabled.below:
            console.print(Padding(Text(text, "dim"), (0, 0, 0, 2)))
        console.print()
    for text in results.troubles:
        console.print(Text(text, "red"))
    for text in words.provenance(results):
        console.print(Text(text))


def markdown(results: Results) -> str:
    """All tables, and the command that makes them anew."""
    parts = ["\n".join(_markdown(tabled)) for tabled in words.tables(results)]
    if results.troubles:
        parts.append("\n".join(f"- {trouble}" for trouble in results.troubles))
    closing = [*words.provenance(results), f"`{words.COMMAND}` measures all of it anew."]
    return "\n\n".join([*parts, " ".join(closing)]) + "\n"


def with_block(text: str, results: Results) -> str:
    """The page with these results in place of those that it has."""
    return BLOCK.sub(lambda found: f"{found[1]}{markdown(results)}{found[2]}", text)


def _table(tabled: Tabled) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="italic")
    for place, name in enumerate(tabled.head):
        table.add_column(name, justify="left" if _is_words(tabled, place) else "right")
    for row in tabled.rows:
        table.add_row(*row)
    return table


def _markdown(tabled: Tabled) -> Iterator[str]:
    yield f"**{tabled.title}**"
    yield ""
    yield _joined(tabled.head)
    places = range(len(tabled.head))
    yield f"|{'|'.join('---' if _is_words(tabled, place) else '---:' for place in places)}|"
    yield from map(_joined, tabled.rows)
    if tabled.below:
        yield ""
        yield " ".join(tabled.below)


def _is_words(tabled: Tabled, place: int) -> bool:
    """Words stand at the left of their column, figures at the right."""
    column = [row[place] for row in tabled.rows if row[place]]
    return bool(column) and all(text[0].isalpha() for text in column)


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
