"""The critical path: what a turn waited for, and that its parts add up to the whole."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FlowRow, Rows, SpanRow, columns_of, sort
from harness.stats import critical_path as module
from harness.stats.critical_path import APPROVE, OWN_TIME, critical_path, stage_matrix
from tests.stats.by_hand import stage_ms
from tests.worlds import one_round


@dataclass(frozen=True)
class Case:
    """Spans (start, end) of a turn that lasts from 0 to 10, the path through them and the rest."""

    claim: str
    spans: list[tuple[float, float]]
    path: list[int]
    uncovered: float


def path_of(spans: list[tuple[float, float]]) -> tuple[list[int], float]:
    """The same of spans (start, end) that are told by their places."""
    return critical_path(((end, start, n) for n, (start, end) in enumerate(spans)), 0, 10)


CASES = [
    Case("no spans leave the whole turn uncovered", [], [], 10),
    Case("a chain is all on the path", [(0, 3), (3, 7), (7, 10)], [0, 1, 2], 0),
    Case("the path is in time order whatever the spans' order", [(7, 10), (0, 7)], [1, 0], 0),
    Case("gaps are uncovered", [(1, 3), (4, 9)], [0, 1], 3),
    Case("of two in parallel the later to end is awaited", [(0, 4), (0, 10)], [1], 0),
    Case("a span outlasted by a parallel one is not awaited", [(0, 5), (5, 10), (6, 9)], [0, 1], 0),
    Case("two ends at once: the later start", [(0, 10), (4, 10)], [1], 4),
    Case("two equal spans: the higher index", [(0, 10), (0, 10)], [1], 0),
    Case("a pre-warm in flight at the end is not awaited", [(0, 10), (2, 11)], [0], 0),
    Case("a pre-warm in flight hides no earlier span", [(0, 6), (6, 10), (9, 30)], [0, 1], 0),
    Case("a span over before the turn is not awaited", [(-5, -1), (0, 10)], [1], 0),
    Case("a span begun before the turn covers its start", [(-5, 4), (4, 10)], [0, 1], 0),
    Case("a span of no length is passed through", [(0, 5), (5, 5), (5, 10)], [0, 1, 2], 0),
    Case("many spans of no length end the walk", [(10, 10)] * 3, [0, 1, 2], 10),
    Case("a span of no length at the very start is nothing", [(0, 0), (0, 10)], [1], 0),
    Case("a span over as the turn begins is nothing", [(-3, 1e-7), (0, 10)], [1], 0),
    Case("a moment past the end opens no gap", [(0, 10), (10 + 5e-7, 10 + 5e-7)], [0, 1], 0),
    Case("an overlap within the tolerance is a chain", [(0, 5 + 1e-7), (5, 10)], [0, 1], 0),
    Case("an overlap beyond it is not", [(0, 5 + 1e-5), (5, 10)], [1], 5),
]


@pytest.mark.parametrize("case", CASES, ids=[case.claim for case in CASES])
def test_the_path_is_walked_back_from_the_end(case: Case) -> None:
    path, uncovered = path_of(case.spans)
    assert path == case.path
    assert uncovered == pytest.approx(case.uncovered)


def test_a_turn_of_no_length_has_no_path() -> None:
    assert critical_path([(3.0, 3.0, 0), (4.0, 2.0, 1)], 3.0, 3.0) == ([], 0)


def test_the_path_is_told_by_the_numbers_that_were_given() -> None:
    assert critical_path([(10, 4, 7), (4, 0, 5)], 0, 10) == ([5, 7], 0)


instants = st.integers(-20, 120).map(lambda tenths: tenths / 10)
spans = st.lists(st.tuples(instants, instants).map(lambda pair: (min(pair), max(pair))), max_size=8)


def by_search(spans: list[tuple[float, float]], tolerance: float = 1e-6) -> list[int]:
    """The walk as its definition says it, looking at all remaining spans at each step."""
    path: list[int] = []
    cursor = 10.0
    while cursor > 0:
        eligible = [
            (end, start, index)
            for index, (start, end) in enumerate(spans)
            if 0 < end <= cursor + tolerance and index not in path
        ]
        if not eligible:
            break
        _, start, index = max(eligible)
        path.insert(0, index)
        cursor = min(cursor, start)
    return path


@given(spans)
def test_one_sweep_finds_what_a_full_search_finds(spans: list[tuple[float, float]]) -> None:
    path, _ = path_of(spans)
    assert path == by_search(spans)


@given(spans)
def test_awaited_spans_and_the_uncovered_time_add_up_to_the_turn(
    spans: list[tuple[float, float]],
) -> None:
    path, uncovered = path_of(spans)
    covered = sum(spans[index][1] - max(0.0, spans[index][0]) for index in path)
    assert covered + uncovered == pytest.approx(10, abs=1e-5)
    assert uncovered >= 0


def flow(
    due_s: float,
    end_s: float,
    *,
    variant: str = "base",
    turn: int = 0,
    start_s: float = 0.0,
    human_s: float = 0.0,
) -> FlowRow:
    return FlowRow(
        variant=variant,
        round=0,
        conversation=0,
        turn=turn,
        due_s=due_s,
        start_s=start_s,
        end_s=end_s,
        response_ms=(end_s - human_s - due_s) * 1000,
        service_ms=(end_s - human_s - start_s) * 1000,
        outcome="paid",
        cold=False,
        method="card",
        amount_minor=1000,
        currency="EUR",
        fee_minor=30,
        calls=3,
        wasted_prewarms=0,
        stale_tokens=0,
        corrections=0,
        guarded=0,
        human_ms=human_s * 1000,
        token_cost_micro=0,
    )


def span(
    stage: str,
    start_s: float,
    end_s: float,
    *,
    variant: str = "base",
    turn: int = 0,
    critical: bool = True,
) -> SpanRow:
    return SpanRow(
        variant=variant,
        round=0,
        conversation=0,
        turn=turn,
        span=0,
        stage=stage,
        provider="mock",
        start_s=start_s,
        first_byte_s=start_s,
        first_token_s=start_s,
        end_s=end_s,
        injected_ms=math.nan,
        queue_ms=0.0,
        status=200,
        attempt=1,
        critical=critical,
    )


def stages_of(flows: list[FlowRow], spans: list[SpanRow]) -> dict[str, dict[str, float]]:
    return stage_ms(columns_of(Rows(flows, spans)))


def test_a_stage_is_a_mean_over_all_turns_even_those_without_it() -> None:
    stages = stages_of(
        [flow(0, 1, turn=0), flow(0, 3, turn=1)],
        [
            span("intent", 0, 1, turn=0),
            span("intent", 0, 1, turn=1),
            span("pay", 1, 3, turn=1),
        ],
    )
    assert stages == {"base": {"intent": 1000.0, "pay": 1000.0}}


def test_start_lag_and_gaps_are_own_time_and_come_last() -> None:
    stages = stages_of(
        [flow(1.0, 4.0, start_s=1.5)], [span("intent", 1.5, 2.0), span("pay", 3.0, 4.0)]
    )
    assert stages == {"base": {"intent": 500.0, "pay": 1000.0, OWN_TIME: 1500.0}}
    assert list(stages["base"])[-1] == OWN_TIME


@pytest.mark.parametrize(("gap_ms", "named"), [(0.0004, False), (0.0006, True)])
def test_a_remainder_too_small_to_print_is_left_out(gap_ms: float, named: bool) -> None:
    stages = stages_of([flow(0, 1)], [span("pay", gap_ms / 1000, 1)])
    assert (OWN_TIME in stages["base"]) == named


def test_a_span_off_the_path_costs_nothing() -> None:
    stages = stages_of([flow(0, 1)], [span("pay", 0, 1), span("session", 0, 9, critical=False)])
    assert stages == {"base": {"pay": 1000.0}}


def test_a_stage_met_twice_in_a_turn_counts_twice() -> None:
    stages = stages_of([flow(0, 3)], [span("query", 0, 1), span("pay", 1, 2), span("query", 2, 3)])
    assert stages == {"base": {"query": 2000.0, "pay": 1000.0}}


def test_no_moment_counts_twice_and_none_outside_the_response() -> None:
    stages = stages_of(
        [flow(1, 4)],
        [span("intent", 0, 3), span("key", 1.5, 2), span("pay", 2.5, 3.5), span("confirm", 3, 9)],
    )
    assert stages == {"base": {"intent": 2000.0, "key": 0.0, "pay": 500.0, "confirm": 500.0}}


def approve(start_s: float, end_s: float, *, critical: bool = True) -> SpanRow:
    return span(APPROVE, start_s, end_s, critical=critical)


def test_the_time_in_which_the_user_approves_is_in_no_stage() -> None:
    spans = [span("intent", 0, 1), approve(1, 5), span("pay", 5, 6.5), span("notify", 6.5, 7)]
    stages = stages_of([flow(0, 7, human_s=4)], spans)
    assert stages == {"base": {"intent": 1000.0, "pay": 1500.0, "notify": 500.0}}


def test_a_gap_in_which_the_user_approves_is_no_own_time() -> None:
    stages = stages_of(
        [flow(0, 7, human_s=4)], [span("intent", 0, 1), approve(1.5, 5.5), span("pay", 6, 7)]
    )
    assert stages == {"base": {"intent": 1000.0, "pay": 1000.0, OWN_TIME: 1000.0}}


def test_a_draft_that_outlasts_the_payment_loses_what_the_user_took_meanwhile() -> None:
    beside = [approve(1, 3, critical=False), span("pay", 3, 3.5, critical=False)]
    stages = stages_of(
        [flow(0, 4, human_s=2)], [span("intent", 0, 1), *beside, span("confirm", 1, 4)]
    )
    assert stages == {"base": {"intent": 1000.0, "confirm": 1000.0}}


def test_a_draft_that_ends_within_the_approval_costs_nothing() -> None:
    draft = span("confirm", 1, 2.5, critical=False)
    stages = stages_of(
        [flow(0, 6, human_s=4)], [span("intent", 0, 1), draft, approve(1, 5), span("pay", 5, 6)]
    )
    assert stages == {"base": {"intent": 1000.0, "pay": 1000.0}}


@pytest.mark.parametrize("first", [(1, 3), (1, 4), (2, 3)])
def test_users_who_approve_at_the_same_time_take_it_once(first: tuple[float, float]) -> None:
    approvals = [approve(*first, critical=False), approve(1, 4, critical=False)]
    stages = stages_of(
        [flow(0, 6, human_s=3)], [span("intent", 0, 1), *approvals, span("confirm", 1, 6)]
    )
    assert stages == {"base": {"intent": 1000.0, "confirm": 2000.0}}


def test_variants_and_turns_are_kept_apart() -> None:
    stages = stages_of(
        [flow(0, 1, variant="a"), flow(0, 2, variant="b"), flow(5, 6, variant="b", turn=1)],
        [
            span("pay", 0, 1, variant="a"),
            span("pay", 0, 2, variant="b"),
            span("pay", 5, 6, variant="b", turn=1),
            span("pay", 0, 9, variant="never run"),
        ],
    )
    assert stages == {"a": {"pay": 1000.0}, "b": {"pay": 1500.0}}


def test_no_turns_have_no_stages() -> None:
    assert stages_of([], []) == {}


@given(st.lists(spans, min_size=1, max_size=5), st.floats(0, 2))
def test_the_stages_add_up_to_the_mean_response_time(
    turns: list[list[tuple[float, float]]], lag_s: float
) -> None:
    flows, rows = [], []
    for turn, found in enumerate(turns):
        path, _ = path_of(found)
        flows.append(flow(-lag_s, 10, turn=turn))
        rows += [
            span(f"stage {index % 3}", *found[index], turn=turn, critical=index in path)
            for index in range(len(found))
        ]
    stages = stages_of(flows, rows)["base"]
    mean = sum(row.response_ms for row in flows) / len(flows)
    assert sum(stages.values()) == pytest.approx(mean, abs=0.00051)
    assert all(ms >= 0 for ms in stages.values())


within = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
    lambda tenths: (min(tenths) / 10, max(tenths) / 10)
)


@given(spans, st.lists(within, max_size=4), st.floats(0, 2))
def test_stages_and_human_time_add_up_to_the_turn_whatever_overlaps(
    others: list[tuple[float, float]], approvals: list[tuple[float, float]], lag_s: float
) -> None:
    found = [*others, *approvals]
    path, _ = path_of(found)
    rows = [
        span(f"stage {n % 3}" if n < len(others) else APPROVE, *found[n], critical=n in path)
        for n in range(len(found))
    ]
    # All times are whole tenths of a second, so who was busy in each of them can be counted.
    busy = sum(any(start <= n / 10 < end for start, end in approvals) for n in range(100))
    stages = stages_of([flow(-lag_s, 10, human_s=busy / 10)], rows)["base"]
    assert APPROVE not in stages
    assert sum(stages.values()) == pytest.approx((10 + lag_s) * 1e3 - busy * 100, abs=0.00051)
    assert all(ms >= 0 for ms in stages.values())


def turn_by_turn(rows: Rows) -> list[dict[str, float]]:
    """The stages of each turn as their definition says it, one turn and one span after another."""
    spans: dict[tuple[str, int, int, int], list[SpanRow]] = defaultdict(list)
    for one in rows.spans:
        spans[one.variant, one.round, one.conversation, one.turn].append(one)
    return [
        _stages(row, spans[row.variant, row.round, row.conversation, row.turn])
        for row in rows.flows
    ]


def _stages(row: FlowRow, spans: list[SpanRow]) -> dict[str, float]:
    stages: dict[str, float] = defaultdict(float)
    cursor, answered = row.due_s, row.due_s + (row.response_ms + row.human_ms) / 1000
    busy = _joined([(one.start_s, one.end_s) for one in spans if one.stage == APPROVE])
    for one in sorted((s for s in spans if s.critical), key=lambda s: (s.start_s, s.end_s)):
        start, end = max(one.start_s, cursor), min(one.end_s, answered)
        if one.stage != APPROVE:
            human = sum(max(0.0, min(end, to) - max(start, since)) for since, to in busy)
            stages[one.stage] += max(0.0, end - start - human) * 1000
        cursor = max(cursor, end)
    return stages


def _joined(approvals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(approvals):
        if joined and start <= joined[-1][1]:
            start, before = joined.pop()
            end = max(end, before)
        joined.append((start, end))
    return joined


def assert_alike(rows: Rows) -> None:
    """All turns at once give what they give one by one, and none of the time is lost."""
    stages = stage_matrix(columns_of(rows))
    for row, ms, expected in zip(rows.flows, stages.ms.tolist(), turn_by_turn(rows), strict=True):
        *named, own = ms
        found = {name: of for name, of in zip(stages.names, named, strict=False) if of}
        assert found == pytest.approx({name: of for name, of in expected.items() if of}, abs=1e-9)
        assert own == pytest.approx(row.response_ms - sum(expected.values()), abs=1e-9)
        assert reduce(add, ms) == row.response_ms
    assert set(stages.names) == {*(name for of in turn_by_turn(rows) for name in of), OWN_TIME}


def test_all_turns_at_once_give_what_they_give_one_by_one() -> None:
    rows = one_round(turns=20).rows
    sort(rows)
    assert_alike(rows)
    assert_alike(Rows(rows.flows[::-1], rows.spans[::-1]))


@pytest.mark.parametrize("turns_at_once", [1, 3, 7])
def test_how_many_turns_are_taken_at_a_time_changes_no_bit(
    turns_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = one_round(turns=5).rows
    sort(rows)
    for some in (rows, Rows(rows.flows[::-1], rows.spans[::-1])):
        whole = stage_matrix(columns_of(some))
        with monkeypatch.context() as patched:
            patched.setattr(module, "TURNS_AT_ONCE", turns_at_once)
            parts = stage_matrix(columns_of(some))
        assert parts.names == whole.names
        assert np.array_equal(parts.ms, whole.ms) and np.array_equal(parts.met, whole.met)


Pair = tuple[float, float]
drawn_turns = st.lists(
    st.tuples(spans, st.lists(within, max_size=3), st.integers(0, 40)), min_size=1, max_size=5
)


@given(drawn_turns)
def test_so_they_do_whatever_overlaps(
    turns: list[tuple[list[tuple[float, float]], list[tuple[float, float]], int],],
) -> None:
    rows = Rows()
    for turn, (others, approvals, human) in enumerate(turns):
        found = [*others, *approvals]
        path, _ = path_of(found)
        rows.flows.append(flow(-0.5, 10, turn=turn, human_s=human / 10))
        rows.spans += [
            span(
                f"stage {n % 3}" if n < len(others) else APPROVE,
                *found[n],
                turn=turn,
                critical=n in path,
            )
            for n in range(len(found))
        ]
    assert_alike(rows)


def test_stages_come_in_the_order_in_which_the_first_turns_met_them() -> None:
    rows = Rows(
        [flow(0, 3, turn=0), flow(0, 3, turn=1)],
        [
            span("query", 0, 1, turn=1),
            span("pay", 2, 3, turn=0),
            span("intent", 0, 1, turn=0),
            span("key", 1, 2, turn=0, critical=False),
        ],
    )
    assert stage_matrix(columns_of(rows)).names == ("intent", "pay", "query", OWN_TIME)


def test_a_stage_that_took_no_time_was_met_all_the_same() -> None:
    rows = Rows(
        [flow(0, 1, variant="a"), flow(0, 1, variant="b")],
        [span("encrypt", 0, 0, variant="a"), span("pay", 0, 1, variant="b")],
    )
    stages = stage_matrix(columns_of(rows))
    assert stages.names == ("encrypt", "pay", OWN_TIME)
    assert stages.met.tolist() == [[True, False, False], [False, True, False]]
    assert stage_ms(columns_of(rows)) == {"a": {"encrypt": 0, OWN_TIME: 1000}, "b": {"pay": 1000}}


def test_no_turns_have_an_empty_matrix() -> None:
    stages = stage_matrix(columns_of(Rows([], [span("pay", 0, 1)])))
    assert (stages.names, stages.ms.shape, stages.met.shape) == ((OWN_TIME,), (0, 1), (0, 1))
