"""Whole rounds on the shipped mocks: the same in every run, and every millisecond accounted for."""

import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from harness import record
from harness.flow.strategy import Strategy, all_strategies
from harness.load.engine import Tally
from harness.record import FlowRow, Rows, SpanRow, columns_of
from harness.stats.critical_path import OWN_TIME
from tests.stats.by_hand import stage_ms
from tests.worlds import one_round

ROOT = Path(__file__).parents[2]
NAMES = [strategy.name for strategy in all_strategies()]
TurnOf = tuple[str, int, int, int]


def _place(row: FlowRow | SpanRow) -> TurnOf:
    return row.variant, row.round, row.conversation, row.turn


def _spans_of(rows: Rows) -> dict[TurnOf, list[SpanRow]]:
    spans: dict[TurnOf, list[SpanRow]] = defaultdict(list)
    for span in rows.spans:
        spans[_place(span)].append(span)
    return spans


@pytest.fixture(scope="module")
def rounds() -> list[Tally]:
    return [one_round(n, turns=33, seed=5) for n in range(4)]


def test_all_that_was_due_was_started_and_finished(rounds: list[Tally]) -> None:
    for tally in rounds:
        assert tally.due == tally.started == tally.finished == len(tally.rows.flows) == 33 * 8
        assert (tally.failed, tally.leaks) == (0, 0)
        by_arm = [[row for row in tally.rows.flows if row.variant == name] for name in NAMES]
        assert [len(rows) for rows in by_arm] == [33] * 8
        # 33 turns in conversations of 5: the last one has 3, and no turn is there twice.
        assert {row.turn for row in by_arm[0] if row.conversation == 6} == {0, 1, 2}
        assert len({_place(row) for row in tally.rows.flows}) == len(tally.rows.flows)


def test_the_same_seed_gives_identical_rows(rounds: list[Tally]) -> None:
    again = one_round(2, turns=33, seed=5).rows
    record.sort(again)
    record.sort(rounds[2].rows)
    assert again.flows == rounds[2].rows.flows
    assert record.sha256(columns_of(again)) == record.sha256(columns_of(rounds[2].rows))


def test_another_seed_or_round_gives_other_rows(rounds: list[Tally]) -> None:
    played = [*rounds, one_round(2, turns=33, seed=6)]
    assert len({record.sha256(columns_of(tally.rows)) for tally in played}) == 5


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_rows_do_not_hang_on_the_process_or_its_hash_seed(hash_seed: str) -> None:
    code = (
        "from harness import record; from tests.worlds import one_round;"
        "rows = one_round(turns=10).rows; record.sort(rows);"
        "print(record.sha256(record.columns_of(rows)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = one_round(turns=10).rows
    record.sort(rows)
    assert told.stdout.strip() == record.sha256(columns_of(rows))


def test_the_arms_of_a_conversation_meet_the_same_weather(rounds: list[Tally]) -> None:
    for tally in rounds:
        wishes, intents = defaultdict(set), defaultdict(list)
        for row in tally.rows.flows:
            wishes[_place(row)[1:]].add((row.method, row.amount_minor, row.currency))
        for span in tally.rows.spans:
            if span.stage == "intent":
                intents[_place(span)[1:]].append(span.injected_ms)
        assert len(wishes) == len(intents) == 33
        assert all(len(wish) == 1 for wish in wishes.values())
        assert all(len(meant) == 8 and len(set(meant)) == 1 for meant in intents.values())
        # Weather, not climate: another turn has another delay.
        assert len({meant[0] for meant in intents.values()}) == 33


def test_the_order_of_arms_is_drawn_anew_for_each_conversation(rounds: list[Tally]) -> None:
    orders = []
    for tally in rounds:
        first = [row for row in tally.rows.flows if row.turn == 0]
        for conversation in range(7):
            dues = [(row.due_s, row.variant) for row in first if row.conversation == conversation]
            orders.append(tuple(name for _, name in sorted(dues)))
    assert len(set(orders)) > 20
    # Nobody is always first: each arm leads some of the 28 conversations.
    assert {order[0] for order in orders} == set(NAMES)


def test_response_times_follow_from_the_spans_alone(rounds: list[Tally]) -> None:
    """The longest chain of spans, each beginning where the one before ended, back from the last
    that the user waited for: the confirmation last asked for, or the payment if it took longer."""
    for tally in rounds:
        spans = _spans_of(tally.rows)
        for row in tally.rows.flows:
            turn = spans[_place(row)]
            told = max((s for s in turn if s.stage == "confirm"), key=lambda span: span.attempt)
            settled = max(s.end_s for s in turn if s.stage in ("pay", "query", "reverse"))
            chain_ms = _longest_chain_s(turn, max(told.end_s, settled)) * 1e3
            assert chain_ms == pytest.approx(row.response_ms, abs=0.1)
            assert chain_ms == pytest.approx(row.service_ms, abs=0.1)


def _longest_chain_s(spans: list[SpanRow], end_s: float) -> float:
    linked = [s for s in spans if abs(s.end_s - end_s) < 1e-6 and s.end_s - s.start_s > 1e-6]
    return max(
        (end_s - span.start_s + _longest_chain_s(spans, span.start_s) for span in linked),
        default=0.0,
    )


def test_on_the_virtual_clock_no_time_of_a_turn_is_unaccounted_for(rounds: list[Tally]) -> None:
    for tally in rounds:
        stages = stage_ms(columns_of(tally.rows))
        assert set(stages) == set(NAMES)
        assert not any(OWN_TIME in of_variant for of_variant in stages.values())
        critical: dict[TurnOf, float] = defaultdict(float)
        for span in tally.rows.spans:
            critical[_place(span)] += (span.end_s - span.start_s) * 1e3 * span.critical
        for row in tally.rows.flows:
            assert critical[_place(row)] == pytest.approx(row.response_ms, abs=0.001)


def test_no_call_takes_longer_or_shorter_than_its_mock_meant(rounds: list[Tally]) -> None:
    calls = [span for tally in rounds for span in tally.rows.spans if span.provider]
    assert len(calls) > 3500
    for span in calls:
        assert (span.end_s - span.start_s) * 1e3 == pytest.approx(span.injected_ms, abs=1e-3)


def test_mitigations_never_make_a_paid_turn_slower(rounds: list[Tally]) -> None:
    for tally in rounds:
        turns = {_place(row): row for row in tally.rows.flows}
        for place, row in turns.items():
            cold = turns["baseline", *place[1:]]
            if row.outcome == "paid" and row.calls <= cold.calls:
                assert row.response_ms <= cold.response_ms + 0.001


def test_a_conversations_turns_come_one_after_the_other(rounds: list[Tally]) -> None:
    for tally in rounds:
        rows = sorted(tally.rows.flows, key=_place)
        for earlier, later in pairwise(rows):
            if _place(earlier)[:3] == _place(later)[:3]:
                assert earlier.end_s <= later.due_s <= later.start_s


def test_a_round_may_run_fewer_strategies() -> None:
    tally = one_round(turns=5, strategies=[Strategy(), Strategy(prewarm=True)])
    assert {row.variant for row in tally.rows.flows} == {"baseline", "prewarm"}
