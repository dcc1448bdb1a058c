"""What the tables say of a row, for rows made by hand: targets, who leads, who was left out."""

import io

import msgspec
import pytest
from rich.console import Console

from tests.benchmarks.peers import table, words
from tests.benchmarks.peers.plan import Entrant, Measured, Plan, play
from tests.benchmarks.peers.results import Figure, Line, Results, Row, with_again
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.standing import contest, meets, spread

P50 = Figure(key="p50_ms", label="p50 ms", better="less", target=0.7)
P90 = Figure(key="p90_ms", label="p90 ms", better="near", target=600.0, tolerance=0.01, digits=0)
SENT = Figure(
    key="sent", label="sent/s", better="more", target=1425.0, digits=0, contest=False, gate=True
)
VALID = Figure(key="valid", label="valid", yes=True)


def _line(tool: str, key: str, *values: float, how: str = "", **more: float) -> Line:
    return Line(tool, how, tool == "tollbench", [{key: value, **more} for value in values])


def _row(*lines: Line, figures: tuple[Figure, ...] = (P50,), **more: object) -> Row:
    row = Row(
        number=1,
        title="A title",
        setting="A setting.",
        figures=list(figures),
        lines=list(lines),
        absent={},
        troubles=[],
    )
    return msgspec.structs.replace(row, **more)


def _said(row: Row) -> str:
    return " ".join(words.sentences(row))


def test_a_cell_is_the_median_between_the_least_and_the_most() -> None:
    line = _line("k6", "p50_ms", 0.9, 0.5, 0.7, 0.8, 0.6)
    assert words.cell(line, P50) == "0.70 [0.50, 0.90]"
    assert words.cell(_line("k6", "p50_ms", 0.9), P50) == "0.90"


def test_what_was_not_told_is_not_made_up() -> None:
    assert words.cell(_line("wrk", "p99_ms", 1.0), P50) == "not told"
    assert words.cell(Line("wrk", "", False, [{}, {}]), P50) == "no figures"
    assert spread(Line("wrk", "", False, [{}]), P50) is None


def test_a_repeat_that_came_to_nothing_takes_no_part() -> None:
    line = Line("k6", "", False, [{"p50_ms": 1.0}, {}, {"p50_ms": 3.0}])
    assert words.cell(line, P50) == "2.00 [1.00, 3.00]"


def test_yes_is_counted() -> None:
    line = _line("tollbench", "valid", 1.0, 0.0, 1.0)
    assert words.cell(line, VALID) == "2 of 3"


@pytest.mark.parametrize(
    ("figure", "value", "met"),
    [
        (P50, 0.7, True),
        (P50, 0.71, False),
        (SENT, 1425.0, True),
        (SENT, 1424.0, False),
        (P90, 606.0, True),
        (P90, 594.0, True),
        (P90, 606.1, False),
        (P90, 593.9, False),
        (VALID, 1.0, None),
    ],
)
def test_a_target_is_met_by_the_median(figure: Figure, value: float, met: bool | None) -> None:
    line = _line("tollbench", figure.key, value - 0.5, value, value + 0.5)
    assert meets(line, figure) is met
    assert meets(Line("tollbench", "", True, [{}]), figure) is None


def test_where_a_peer_leads_it_says_so() -> None:
    row = _row(_line("tollbench", "p50_ms", 0.6, 0.9), _line("k6", "p50_ms", 0.2, 0.3))
    assert _said(row) == "p50 ms: k6 leads; tollbench is 3.0 [3.0, 3.0] times as much."
    of = contest(row, P50)
    assert of is not None and of.leader.tool == "k6"
    assert words.standing(row, row.lines[0], P50) == "missed"
    assert words.standing(row, row.lines[1], P50) == "leads"


def test_the_ratio_is_that_of_two_samples_of_one_repeat() -> None:
    """The machine doubled everything in the second repeat; the ratio does not see it."""
    row = _row(_line("tollbench", "p50_ms", 0.5, 1.0), _line("k6", "p50_ms", 1.0, 2.0))
    assert _said(row) == (
        "p50 ms: tollbench leads; k6 is 2.0 times as much, but the ranges overlap."
    )


def test_we_are_held_to_our_strictest_count() -> None:
    row = _row(
        _line("tollbench", "p50_ms", 0.6, how="from the due time"),
        _line("tollbench", "p50_ms", 0.1, how="from the send"),
        _line("k6", "p50_ms", 0.3),
    )
    assert _said(row).startswith("p50 ms: k6 leads; tollbench (from the due time) is 2.0 times")


def test_the_best_of_the_peers_is_the_one_to_beat() -> None:
    row = _row(
        _line("tollbench", "p50_ms", 0.4),
        _line("Locust", "p50_ms", 8.0),
        _line("k6", "p50_ms", 4.4),
    )
    assert _said(row) == "p50 ms: tollbench leads; k6 is 11 times as much."


def test_nobody_leads_who_did_not_carry_the_load() -> None:
    figures = (P50, SENT)
    idle = _line("Locust", "p50_ms", 0.1, sent=700.0)
    row = _row(
        _line("tollbench", "p50_ms", 0.4, sent=1500.0),
        idle,
        _line("k6", "p50_ms", 0.8, sent=1500.0),
        figures=figures,
    )
    assert _said(row) == (
        "p50 ms: tollbench leads; k6 is 2.0 times as much. "
        "Did not carry the load, and so lead in nothing: Locust."
    )


def test_where_only_a_peer_carried_the_load_it_says_so() -> None:
    row = _row(
        _line("tollbench", "p50_ms", 0.4, sent=700.0),
        _line("k6", "p50_ms", 0.8, sent=1500.0),
        figures=(P50, SENT),
    )
    assert _said(row) == "Did not carry the load, and so lead in nothing: tollbench."
    failed = _row(_line("tollbench", "p50_ms", 0.4, sent=700.0), figures=(P50, SENT))
    assert _said(failed) == "Nobody carried the load. No peer was measured on this."


def test_nearest_to_the_truth_leads_and_all_that_are_near_are_named() -> None:
    row = _row(
        _line("tollbench", "p90_ms", 597.0),
        _line("k6", "p90_ms", 606.0),
        _line("Locust", "p90_ms", 8.0),
        figures=(P90,),
    )
    assert _said(row) == ("p90 ms: within 1% of the truth: tollbench, k6; nearest: tollbench.")
    assert [words.standing(row, line, P90) for line in row.lines] == ["met", "met", "missed"]


def test_who_sent_another_load_is_near_by_chance_only() -> None:
    sent = Figure(
        key="sent", label="sent", better="near", target=1200, tolerance=0.01, contest=False,
        gate=True,
    )  # fmt: skip
    row = _row(
        _line("tollbench", "p90_ms", 597.0, sent=1199.0),
        _line("k6", "p90_ms", 609.0, sent=1201.0),
        _line("wrk", "p90_ms", 600.0, sent=11_538.0),
        figures=(P90, sent),
    )
    assert _said(row) == (
        "p90 ms: within 1% of the truth: tollbench; nearest: tollbench. "
        "Did not carry the load, and so lead in nothing: wrk."
    )


def test_those_left_out_for_one_reason_stand_together() -> None:
    row = _row(absent={"hey": "not installed", "WireMock": "needs Java", "wrk": "not installed"})
    assert list(words.absences(row)) == ["hey, wrk: not installed.", "WireMock: needs Java."]


def test_all_are_measured_by_turns() -> None:
    order: list[str] = []

    def measure(tool: str, sample: Sample) -> Entrant:
        def once(_: object) -> Measured:
            order.append(tool)
            if tool == "hey" and order.count("hey") == 2:
                raise NoFigures("it fell over")
            return Measured({"": sample})

        return Entrant(tool, once)

    entrants = [measure("tollbench", {"p50_ms": 1.0}), measure("hey", {"p50_ms": 2.0})]
    plan = Plan(number=1, title="T", setting="S", figures=[P50], entrants=entrants)
    row = play(plan, 3)
    assert order == ["tollbench", "hey"] * 3
    assert [line.samples for line in row.lines] == [
        [{"p50_ms": 1.0}] * 3,
        [{"p50_ms": 2.0}, {}, {"p50_ms": 2.0}],
    ]
    assert row.troubles == ["repeat 2, hey: it fell over"]


def _results(*rows: Row, repeats: int = 5) -> Results:
    return Results(
        started_at="2026-11-24T12:00:00+00:00",
        wall_s=1140.0,
        repeats=repeats,
        quick=False,
        machine={"model": "A processor", "cores": "2"},
        versions={"tollbench": "0.1.0", "k6": "1.1.0"},
        rows=list(rows),
    )


def test_markdown_is_a_table_with_the_leader_in_bold_and_says_how_it_was_made() -> None:
    row = _row(
        _line("tollbench", "p50_ms", 0.6, 0.6),
        _line("k6", "p50_ms", 0.2, 0.2),
        absent={"hey": "not installed"},
        troubles=["repeat 1, k6: 3 iterations dropped"],
    )
    assert table.markdown(_results(row)) == (
        "**A title**\n\n"
        "|  | p50 ms (at most 0.7) |\n"
        "|---|---:|\n"
        "| tollbench | 0.60 [0.60, 0.60] |\n"
        "| k6 | **0.20 [0.20, 0.20]** |\n\n"
        "A setting. p50 ms: k6 leads; tollbench is 3.0 times as much.\n"
        "Not measured: hey: not installed.\n\n"
        "- repeat 1, k6: 3 iterations dropped\n\n"
        "Measured 2026-11-24 in 19 min, 5 repeats by turns: medians [least, most]. "
        "Versions: tollbench 0.1.0, k6 1.1.0. "
        "Machine: model A processor, cores 2; generator on one core, server on the other. "
        "`make bench-peers` measures all of it anew.\n"
    )


def test_markdown_needs_nothing_but_the_json() -> None:
    results = _results(_row(_line("tollbench", "p50_ms", 0.6), _line("k6", "p50_ms", 0.2)))
    again = msgspec.json.decode(msgspec.json.encode(results), type=Results)
    assert table.markdown(again) == table.markdown(results)


def test_a_row_that_is_measured_again_takes_the_place_of_the_old_one_and_says_so() -> None:
    first, last = (_row(_line("tollbench", "p50_ms", 0.6), number=number) for number in (1, 3))
    again = _row(_line("tollbench", "p50_ms", 0.4), number=3)
    later = msgspec.structs.replace(_results(again), started_at="2026-11-25T09:30:00+00:00")
    merged = with_again(_results(first, last), later)
    assert [row.number for row in merged.rows] == [1, 3]
    assert merged.rows[1].lines == again.lines
    told = "Row 3 was measured again by itself, at 09:30 UTC on 2026-11-25."
    assert told in words.provenance(merged)


def test_few_repeats_are_not_to_be_quoted() -> None:
    assert "Fewer than five repeats: too few to quote." in words.provenance(_results(repeats=3))


def test_the_table_fits_eighty_columns() -> None:
    shown = io.StringIO()
    console = Console(width=80, file=shown)
    row = _row(
        _line("tollbench", "p50_ms", 2_443.12, 373.3, 12_512.94, how="from the due time"),
        _line("k6", "p50_ms", 1_616.7, 0.2, 1_230.3, how="with http_req_blocked"),
        setting="A long sentence. " * 12,
        troubles=["a trouble " * 20],
    )
    table.show_row(row, console)
    text = shown.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "tollbench (from the due time) 2,443.12 [373.30, 12,512.94] missed" in text
