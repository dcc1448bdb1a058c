"""The results for a person: tables of 80 columns in the terminal, and Markdown for README, both
from what results/peers.json holds and nothing else."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tests.benchmarks.peers import words
from tests.benchmarks.peers.results import Figure, Line, Results, Row
from tests.benchmarks.peers.standing import carried

COMMAND = "make bench-peers"


def show_row(row: Row, console: Console) -> None:
    console.print(Text(f"{row.number}  {row.title}", "bold"))
    console.print(Padding(Text(row.setting, "dim"), (0, 0, 0, 3)))
    console.print(_table(row))
    for text in words.sentences(row):
        console.print(Padding(Text(text), (0, 0, 0, 3)))
    for text in words.absences(row):
        console.print(Padding(Text(f"not measured: {text}", "dim"), (0, 0, 0, 3)))
    for text in row.troubles:
        console.print(Padding(Text(text, "red"), (0, 0, 0, 3)))
    console.print()


def markdown(results: Results) -> str:
    """All rows, and the command that makes them anew."""
    parts = ["\n".join(_markdown_row(row)) for row in results.rows]
    closing = [*words.provenance(results), f"`{COMMAND}` measures all of it anew."]
    return "\n\n".join([*parts, " ".join(closing)]) + "\n"


def _table(row: Row) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for _ in ("range", "standing"):
        table.add_column()
    for figure in row.figures:
        goal = words.target(figure)
        table.add_row(Text(f"   {figure.label}{', ' + goal if goal else ''}", "italic"))
        for line in _telling(row, figure):
            middle, around = words.parts(line, figure)
            style = "bold" if line.ours else ""
            word = words.standing(row, line, figure)
            table.add_row(f"     {line.name}", middle, around, word, style=style)
    return table


def _telling(row: Row, figure: Figure) -> Sequence[Line]:
    """The lines worth showing: a figure that no other tool has is shown for those that have it."""
    having = [line for line in row.lines if any(figure.key in sample for sample in line.samples)]
    return having if figure.yes or not figure.better else row.lines


def _markdown_row(row: Row) -> Iterator[str]:
    yield f"**{row.title}**"
    yield ""
    yield _joined(["", *(_head(figure) for figure in row.figures)])
    yield "|---|" + "---:|" * len(row.figures)
    for line in row.lines:
        yield _joined([line.name, *(_markdown_cell(row, line, figure) for figure in row.figures)])
    yield ""
    yield " ".join([row.setting, *words.sentences(row)])
    if absent := list(words.absences(row)):
        yield f"Not measured: {' '.join(absent)}"
    if row.troubles:
        yield ""
        yield from (f"- {trouble}" for trouble in row.troubles)


def _head(figure: Figure) -> str:
    goal = words.target(figure)
    return f"{figure.label}{f' ({goal})' if goal else ''}"


def _markdown_cell(row: Row, line: Line, figure: Figure) -> str:
    if line not in _telling(row, figure):
        return ""
    text, standing = words.cell(line, figure), words.standing(row, line, figure)
    near = figure.better == "near" and standing == "met" and carried(row, line)
    return f"**{text}**" if "leads" in standing or (near and not figure.gate) else text


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
