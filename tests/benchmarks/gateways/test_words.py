"""What the tables say of results made by hand: what is added, who keeps up, what a profile says."""

import io
import math

import msgspec
import pytest
from rich.console import Console

from tests.benchmarks.gateways import figures, table, words
from tests.benchmarks.gateways.asked import DIRECT, KINDS, Kind
from tests.benchmarks.gateways.profiles import Hop, calls_per_s, held
from tests.benchmarks.gateways.results import Cell, Full, Results, Times
from tests.benchmarks.peers.standing import Spread


def _cell(
    way: str, repeat: int, more_ms: float, kind: Kind = "json", rate: float = 20, **other: object
) -> Cell:
    first = 200.0 if kind == "stream" else 300.0
    cell = Cell(
        repeat=repeat,
        way=way,
        kind=kind,
        rate=rate,
        sent=120,
        failed=0,
        why="",
        most_in_flight=7,
        behind_share=0.0,
        late_ms=0.4,
        first=_times(first + more_ms),
        total=_times(300.0 + more_ms),
        own_ms=None,
    )
    return msgspec.structs.replace(cell, **other)


def _times(p50: float) -> Times:
    return Times(p50, p50 + 2.0, p50 + 4.0)


def _results(*cells: Cell, full: tuple[Full, ...] = (), repeats: int = 2) -> Results:
    ways = sorted({cell.way for cell in cells} | {DIRECT}, key=lambda way: way != DIRECT)
    return Results(
        started_at="2026-11-27T12:00:00+00:00",
        wall_s=1_560.0,
        repeats=repeats,
        quick=False,
        first_ms=200.0,
        total_ms=300.0,
        machine={"cores": "2"},
        versions={"tollbench": "0.1.0", "LiteLLM": "1.106.2"},
        ways=ways,
        absent={"Portkey": "not installed"},
        cells=list(cells),
        full=list(full),
        troubles=[],
    )


def _both(kind: Kind = "json", rate: float = 20) -> list[Cell]:
    """Direct drifts by 5 ms from repeat to repeat, and the gateway with it."""
    return [
        _cell(DIRECT, 0, 1.0, kind, rate),
        _cell("LiteLLM", 0, 16.0, kind, rate, own_ms=7.5),
        _cell(DIRECT, 1, 6.0, kind, rate),
        _cell("LiteLLM", 1, 22.0, kind, rate, own_ms=8.5),
    ]


def test_what_is_added_is_the_difference_within_a_repeat() -> None:
    results = _results(*_both())
    assert figures.added(results, "LiteLLM", "json", 20, "total", "p50") == Spread(15.5, 15, 16)
    assert figures.added(results, DIRECT, "json", 20, "total", "p95") == Spread(0, 0, 0)


def test_a_repeat_without_its_pair_takes_no_part() -> None:
    results = _results(*_both()[:3], _cell("LiteLLM", 1, 0.0, first=None, total=None))
    assert figures.added(results, "LiteLLM", "json", 20, "total", "p50") == Spread(15, 15, 15)
    assert figures.added(_results(_both()[1]), "LiteLLM", "json", 20, "total", "p50") is None


def test_what_streams_wait_longer_for_is_a_difference_of_differences() -> None:
    slower = [_cell("LiteLLM", repeat, 40.0, "stream") for repeat in (0, 1)]
    direct = [_cell(DIRECT, repeat, 1.0, "stream") for repeat in (0, 1)]
    results = _results(*_both(), *slower, *direct)
    assert figures.stream_more(results, "LiteLLM", 20) == Spread(23.5, 23, 24)


def test_a_load_is_carried_if_it_was_in_every_repeat() -> None:
    behind = _cell("LiteLLM", 1, 900.0, rate=50, behind_share=0.4)
    results = _results(*_both(), _cell("LiteLLM", 0, 20.0, rate=50), behind)
    assert figures.kept_up(results, "LiteLLM", "json", 50) == (1, 2)
    assert figures.carries(results, "LiteLLM", "json") == 20
    assert figures.carries(results, "LiteLLM", "stream") is None


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (None, "none"),
        (Spread(15.46, 15.0, 16.0), "15.5 [15.0, 16.0]"),
        (Spread(4.0, 4.0, 4.0), "4.0"),
        (Spread(1_204.4, 99.96, 2_000.0), "1204 [100, 2000]"),
        (Spread(-0.2, -1.0, 0.3), "-0.2 [-1.0, 0.3]"),
    ],
)
def test_a_spread_is_the_median_between_the_least_and_the_most(
    of: Spread | None, said: str
) -> None:
    assert words.spread(of) == said


def test_a_gateways_own_word_stands_beside_what_was_seen() -> None:
    (added, *_) = words.tables(_results(*_both()))
    assert added.title == "LiteLLM 1.106.2: ms beyond direct"
    assert added.rows == (("20", "15.5 [15.0, 16.0]", "15.5 [15.0, 16.0]", "none", "none"),)
    assert added.below == (
        "Its own header says 8.0 [7.5, 8.5] ms for JSON at 20 a second, where 15.5 [15.0, 16.0] "
        "were seen.",
    )


def test_failures_and_their_reason_are_told() -> None:
    failed = _cell("LiteLLM", 0, 0.0, failed=3, why="status 500")
    (keeping,) = (of for of in words.tables(_results(failed)) if "keep up" in of.title)
    assert keeping.rows == (("LiteLLM", "20", "0 of 1", "3 of 120", "7", "", "", ""),)
    assert "LiteLLM failed with: status 500." in keeping.below
    assert keeping.below[0].startswith("LiteLLM carried none of these loads")


def test_a_profile_is_held_value_by_value_against_what_was_measured() -> None:
    full = Full(
        repeat=0, way="LiteLLM", kind="json", in_flight=128, served_per_s=70.0, p50_ms=1_800.0,
        failed=0, why="",
    )  # fmt: skip
    told = {one.value: one for one in held(_results(*_both(), full=(full,)))}
    assert told.keys() == {"hop p50_ms", "hop p99_ms", "calls a second and slot"}
    assert told["hop p50_ms"].measured == Spread(15.5, 15, 16)
    assert told["hop p50_ms"].inside and not told["hop p99_ms"].inside


def test_a_slot_does_as_many_calls_as_fit_its_mean_hop() -> None:
    assert calls_per_s(Hop(p50_ms=10.0, p99_ms=10.0, stream_ms=0.0)) == pytest.approx(100.0)
    sigma = 0.5
    hop = Hop(p50_ms=10.0, p99_ms=10.0 * math.exp(sigma * 2.3263478740408408), stream_ms=0.0)
    assert calls_per_s(hop) == pytest.approx(100.0 / math.exp(sigma**2 / 2))


def test_who_was_left_out_and_too_few_repeats_are_said() -> None:
    said = words.provenance(_results(*_both()))
    assert "Not measured: Portkey: not installed." in said
    assert said[-1] == "Fewer than five repeats: too few to quote."


def _whole() -> Results:
    """Both kinds, two loads, and full ones, with the widest figures there may be."""
    cells = [
        _cell(way, repeat, 4_000.0 * repeat + more, kind, rate)
        for kind in KINDS
        for rate in (5, 400)
        for repeat in (0, 1)
        for way, more in ((DIRECT, 0.0), ("LiteLLM", 1_500.0 * (repeat + 1)))
    ]
    full = [
        Full(
            repeat=repeat, way=way, kind=kind, in_flight=128, served_per_s=400.0 + repeat,
            p50_ms=2_000.0 + repeat, failed=0, why="",
        )
        for kind in KINDS for repeat in (0, 1) for way in (DIRECT, "LiteLLM")
    ]  # fmt: skip
    return _results(*cells, full=tuple(full))


def test_the_tables_fit_eighty_columns_and_lose_no_figure() -> None:
    shown = io.StringIO()
    table.show(_whole(), Console(width=80, file=shown))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = (line for line in lines if line.strip().startswith("400 2250"))
    assert row.count("2250 [1500, 3000]") == 4


def test_markdown_needs_nothing_but_the_json_and_takes_the_place_of_the_old_one() -> None:
    results = _whole()
    again = msgspec.json.decode(msgspec.json.encode(results), type=Results)
    assert table.markdown(again) == table.markdown(results)
    head, foot = "before\n<!-- gateways: made -->\n", "<!-- /gateways -->\nafter\n"
    fresh = table.with_block(f"{head}old\n{foot}", results)
    assert fresh == f"{head}{table.markdown(results)}{foot}"
    assert table.with_block(fresh, results) == fresh
