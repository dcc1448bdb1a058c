"""A forest plot says in characters what its intervals say; this file never opens a terminal."""

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.record import Tolerance
from harness.report.forest import ASCII, PRETTY, Row, forest, print_forest
from harness.report.words import Change

FIGURES = st.floats(-5000, 5000, allow_subnormal=False)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    estimate = draw(FIGURES)
    if draw(st.booleans()):
        return Change(estimate, None, None)
    below, above = draw(st.floats(0, 3000)), draw(st.floats(0, 3000))
    return Change(estimate, estimate - below, estimate + above)


def drawn(*changes: Change | None, width: int = 21, tolerance: float = 0.0) -> list[str]:
    return forest(changes, width, unit="ms", tolerance=tolerance).lines


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change(-10, -20, 0), "├─────────●─────────┤"),
        (Change(-20, -20, -20), "●                   │"),
        (Change(0, -10, 10), "├─────────●─────────┤"),
        (Change(5, -10, 10), "├─────────┼────●────┤"),
        (Change(-10, None, None), "●                   │"),
        (Change(0, 0, 0), "          ●          "),
    ],
)
def test_an_interval_lies_against_zero(change: Change, line: str) -> None:
    assert drawn(change) == [line]


def test_all_lines_share_one_scale_and_an_unknown_change_leaves_its_own_blank() -> None:
    assert drawn(Change(-20, -20, -20), None, Change(-1, None, None), Change(-10, -15, -5)) == [
        "●                   │",
        "                    │",
        "                   ●│",
        "     ├────●────┤    │",
    ]


def test_a_tolerance_is_marked_at_both_edges() -> None:
    assert drawn(Change(0, -1, 1), tolerance=10) == [":        ├●┤        :"]
    assert drawn(Change(20, 10, 20), tolerance=10, width=31) == [":         │         ├─────────●"]


def test_the_scale_tells_both_ends_and_zero_where_they_have_room() -> None:
    plot = forest([Change(-50, -80, -20), Change(10, -5, 40)], 30, unit="ms")
    assert plot.scale == "-80                0        40"
    assert forest([Change(-50, -80, -1)], 20, unit="ms").scale == "-80                0"
    assert forest([Change(0, 0, 0)], 5, unit="%").scale == "  0  "


@given(st.lists(changes(), min_size=1, max_size=5), st.integers(3, 60), st.floats(0, 500))
def test_an_interval_is_beyond_zero_on_paper_only_if_it_is(
    some: list[Change], width: int, tolerance: float
) -> None:
    plot = forest(some, width, unit="ms", tolerance=tolerance)
    assert {len(line) for line in [*plot.lines, plot.scale]} == {width}
    (zero,) = {
        place
        for line in forest([*some, None], width, unit="ms", tolerance=tolerance).lines[-1:]
        for place, mark in enumerate(line)
        if mark == PRETTY.zero
    }
    for change, line in zip(some, plot.lines, strict=True):
        assert line.count(PRETTY.middle) == 1
        marks = [place for place, mark in enumerate(line) if mark in "├─┼●┤"]
        if change.lo is None or change.hi is None:
            assert len(marks) == 1
        elif change.lo > 0 or change.hi < 0:
            assert marks[0] >= zero or marks[-1] <= zero
        else:
            assert marks[0] <= zero <= marks[-1]


ROWS: list[Row | str] = [
    "baseline",
    Row(
        ("p50", "3812, 3790"), Change(-22, -40, -5), Change(-0.6, -1, -0.1), "improved", "improved"
    ),
    Row(("p99",), None, None, "unknown", "n too small"),
    Row(("a x", "b x", "c"), Change(9, -9, 40), None, "cannot tell", "cannot tell?"),
]


def printed(tolerance: Tolerance, encoding: str = "utf-8", *, terminal: bool = False) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=file, width=80, force_terminal=terminal, color_system="standard" if terminal else None
    )
    print_forest(ROWS, console, tolerance)
    file.seek(0)
    return file.read().splitlines()


@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(5, "%"), Tolerance(5, "ms")])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_rows_fill_80_columns_and_no_more(tolerance: Tolerance, encoding: str) -> None:
    lines = printed(tolerance, encoding)
    assert max(map(len, lines)) == 80
    assert [line[:5].split() for line in lines[:-1]] == [
        ["basel"], ["p50"], ["3812,"], ["p99"], ["a", "x"], ["b", "x"], ["c"],
    ]  # fmt: skip


def test_figures_that_were_judged_stand_above_the_others() -> None:
    in_ms, in_percent = printed(Tolerance(5, "ms")), printed(Tolerance(5, "%"))
    assert in_ms[1].endswith("-22 ms [-40, -5]  improved")
    assert in_ms[2].endswith("-0.6% [-1.0, -0.1]")
    assert in_percent[1].endswith("-0.6% [-1.0, -0.1]  improved")
    assert in_percent[2].endswith("-22 ms [-40, -5]")
    assert (in_ms[-1].split()[0], in_percent[-1].split()[0]) == ("ms", "percent")


def test_a_console_of_plain_ascii_gets_it_in_ascii() -> None:
    text = "\n".join(printed(Tolerance(5, "ms"), "ascii"))
    assert text.isascii()
    assert "|--" in text and "o" in text.split("p50")[1].splitlines()[0]
    assert len({getattr(ASCII, name) for name in ("bar", "middle", "zero", "edge")}) == 4


def test_colours_tell_verdicts_on_a_terminal_and_nowhere_else() -> None:
    assert "\x1b" not in "".join(printed(Tolerance()))
    coloured = "".join(printed(Tolerance(), terminal=True))
    assert "\x1b[32mimproved" in coloured and "\x1b[2mn too small" in coloured


def test_every_glyph_is_one_column_wide() -> None:
    names = ("left", "right", "bar", "middle", "zero", "crossed", "edge")
    for glyphs, name in itertools.product((PRETTY, ASCII), names):
        assert len(getattr(glyphs, name)) == 1
