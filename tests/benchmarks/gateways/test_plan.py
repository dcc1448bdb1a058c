"""What is asked and in which order: seeded, by turns, and no more of who cannot keep up."""

import pytest

from tests.benchmarks.gateways.asked import DIRECT, Block, Played, Took
from tests.benchmarks.gateways.plan import (
    QUICK,
    USUAL,
    Lengths,
    crowded,
    keeps_up,
    longest_s,
    paced,
    still_asked,
    warm_up,
)
from tests.benchmarks.gateways.results import Cell, behind_share, cell_of, full_of

WAYS = [DIRECT, "LiteLLM", "Portkey"]


def _played(way: str, *total_ms: float, seconds: float = 2.0, failed: int = 0) -> Played:
    return Played(
        way=way,
        seconds=seconds,
        sent=len(total_ms) + failed,
        took=[Took(ms - 100.0, ms) for ms in total_ms],
        failed=failed,
        why="status 500" if failed else "",
        most_in_flight=3,
        late_ms=0.1,
    )


def _cell(way: str, *total_ms: float, failed: int = 0) -> Cell:
    return cell_of(0, "json", 20, [_played(way, *total_ms, failed=failed)])


def test_every_round_asks_all_ways_with_the_same_load() -> None:
    blocks = paced(WAYS, 50, "json", 0, USUAL)
    assert len(blocks) == USUAL.rounds * len(WAYS)
    for begin in range(0, len(blocks), len(WAYS)):
        assert sorted(block.way for block in blocks[begin : begin + 3]) == sorted(WAYS)
    assert {(block.rate, block.requests) for block in blocks} == {(50, 100)}


def test_the_order_is_seeded_and_differs_from_repeat_to_repeat() -> None:
    orders = [
        tuple(block.way for block in paced(WAYS, 50, "json", repeat, USUAL)) for repeat in range(9)
    ]
    assert orders[0] == tuple(block.way for block in paced(WAYS, 50, "json", 0, USUAL))
    assert len(set(orders)) > 5
    firsts = {block.way for repeat in range(9) for block in crowded(WAYS, "json", repeat, USUAL)}
    assert firsts == set(WAYS)


def test_a_small_load_lasts_long_enough_to_tell_anything() -> None:
    assert {block.requests for block in paced(WAYS, 5, "json", 0, USUAL)} == {20}


@pytest.mark.parametrize("lengths", [USUAL, QUICK])
def test_every_generator_ends_in_bounded_time(lengths: Lengths) -> None:
    for rate in lengths.loads:
        assert longest_s(paced(WAYS, rate, "stream", 0, lengths), 3, 10.0) < 300
    assert longest_s(crowded(WAYS, "json", 0, lengths), 3, 10.0) < 300


def test_as_many_connections_are_opened_ahead_as_will_be_needed() -> None:
    assert warm_up(paced(WAYS, 100, "json", 0, USUAL)) == 45
    assert warm_up(crowded(WAYS, "json", 0, USUAL)) == USUAL.in_flight
    assert warm_up([Block(way=DIRECT, rate=5, requests=20)]) == 7


def test_who_does_half_of_what_is_sent_loses_half_of_every_second() -> None:
    """Request n of 100 a second is answered at n / 50 s: n / 100 s after it was due."""
    total_ms = [300.0 + 10.0 * n for n in range(200)]
    assert behind_share(_played("LiteLLM", *total_ms)) == pytest.approx(1.0, abs=0.02)
    total_ms = [300.0 + 5.0 * n for n in range(200)]
    assert behind_share(_played("LiteLLM", *total_ms)) == pytest.approx(0.5, abs=0.02)


def test_one_slow_answer_is_no_falling_behind() -> None:
    assert keeps_up(_cell("LiteLLM", *[300.0] * 19, 2_000.0))


def test_whoever_fails_or_falls_behind_is_asked_no_more() -> None:
    fine = [_cell(way, *[300.0] * 40) for way in WAYS]
    assert still_asked(WAYS, fine) == WAYS
    slow = _cell("LiteLLM", *[300.0 + 20.0 * n for n in range(40)])
    assert still_asked(WAYS, [*fine, slow]) == [DIRECT, "Portkey"]
    failed = _cell("Portkey", *[300.0] * 39, failed=1)
    assert still_asked(WAYS, [*fine, slow, failed]) == []


def test_direct_stays_whatever_the_machine_does_as_gateways_are_held_against_it() -> None:
    slow = _cell(DIRECT, *[300.0 + 20.0 * n for n in range(40)])
    assert still_asked(WAYS, [slow]) == WAYS


def test_a_way_that_answers_nothing_has_no_times_and_does_not_keep_up() -> None:
    cell = _cell("LiteLLM", failed=20)
    assert (cell.first, cell.total, cell.failed, cell.why) == (None, None, 20, "status 500")
    assert not keeps_up(cell)
    full = full_of(0, "json", 128, _played("LiteLLM", failed=3))
    assert (full.served_per_s, full.p50_ms, full.failed) == (0.0, None, 3)


def test_all_blocks_of_a_way_count_together() -> None:
    blocks = [_played("Portkey", 301.0, 303.0), _played("Portkey", 302.0, 400.0, failed=1)]
    cell = cell_of(2, "stream", 20, blocks)
    assert cell.total is not None and cell.first is not None
    assert (cell.sent, cell.failed, cell.total.p50, cell.first.p99) == (5, 1, 302.0, 300.0)
