"""Only a whole interval keeps a promise or breaks it; what failed took for ever."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness.record import Columns, FlowRow, Outcome, SloSummary, SpanRow
from harness.stats.distributions import clopper_pearson
from harness.stats.slo import Slo, judge_slos, read_slos, verdict_of
from tests.stats.by_hand import columns, flow, flows, span


@pytest.mark.parametrize(
    ("lo", "hi", "verdict"),
    [
        (1.0, 2.9, "met"),
        (1.0, 3.0, "cannot tell"),
        (2.9, 3.1, "cannot tell"),
        (2.9, math.inf, "cannot tell"),
        (3.0, 3.1, "missed"),
        (3.0, 3.0, "missed"),
        (3.1, math.inf, "missed"),
        (math.inf, math.inf, "missed"),
        (None, None, "cannot tell"),
    ],
)
def test_a_promise_of_less_than_3_by_its_interval(
    lo: float | None, hi: float | None, verdict: str
) -> None:
    assert verdict_of(lo, hi, 3.0) == verdict


@pytest.mark.parametrize(
    ("lo", "hi", "verdict"),
    [
        (1.0, 3.0, "met"),
        (3.0, 3.0, "met"),
        (3.0, 3.1, "cannot tell"),
        (3.0 + 1e-12, 3.1, "missed"),
        (2.9, math.inf, "cannot tell"),
        (None, None, "cannot tell"),
    ],
)
def test_a_promise_of_3_at_most_is_kept_on_its_limit_too(
    lo: float | None, hi: float | None, verdict: str
) -> None:
    assert verdict_of(lo, hi, 3.0, inclusive=True) == verdict


def judged(found: Sequence[FlowRow], text: str, spans: Sequence[SpanRow] = ()) -> SloSummary:
    (one,) = judge_slos(columns(found, spans), ["base"], read_slos(text))
    return one


def hundred(outcome: Outcome = "paid", failing: int = 0) -> list[FlowRow]:
    """1 to 100 ms, the slowest of which ended so."""
    return [
        flow(float(ms), conversation=ms, due_s=ms / 10, outcome=outcome if ms > 100 - failing
             else "paid")
        for ms in range(1, 101)
    ]  # fmt: skip


def test_a_figure_below_its_limit_keeps_no_promise_alone() -> None:
    told = judged(hundred(), "p50<55ms")
    assert told.figure == 50
    assert told.lo is not None and told.hi is not None
    assert told.lo < 50 < 55 < told.hi
    assert (told.verdict, told.count) == ("cannot tell", 100)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("p50<100ms", "met"), ("p50<10ms", "missed"), ("p50<50ms", "cannot tell"),
     ("p95<101ms", "met"), ("p95<50ms", "missed"), ("p99<3600s", "cannot tell")],
)  # fmt: skip
def test_a_hundred_turns_decide_what_their_interval_holds(text: str, verdict: str) -> None:
    assert judged(hundred(), text).verdict == verdict


def test_too_few_turns_for_an_interval_decide_nothing() -> None:
    told = judged(hundred(), "p99<3600s")
    assert (told.figure, told.lo, told.hi, told.verdict) == (None, None, None, "cannot tell")
    none = judged([], "p50<1s")
    assert (none.count, none.verdict) == (0, "cannot tell")
    assert (judged([], "errors<1%").figure, judged([], "errors<1%").verdict) == (
        None,
        "cannot tell",
    )


@pytest.mark.parametrize("outcome", ["error", "unknown", "running"])
def test_a_turn_that_never_answered_takes_for_ever_and_counts_as_failed(outcome: Outcome) -> None:
    some, most = hundred(outcome, failing=60), hundred(outcome, failing=90)
    told, sure = judged(some, "p50<3600s"), judged(most, "p50<3600s")
    assert (told.figure, told.hi, told.verdict) == (None, None, "cannot tell")
    assert told.lo is not None
    assert (sure.lo, sure.verdict) == (None, "missed")
    assert judged(some, "errors<99%").figure == 0.6


def test_a_decline_is_an_answer() -> None:
    told = judged(hundred("declined", failing=60), "errors<10%")
    assert (told.figure, told.verdict) == (0.0, "met")
    assert judged(hundred("declined", failing=60), "p50<100ms").verdict == "met"


@pytest.mark.parametrize(
    ("n", "failing", "limit", "verdict"),
    [(100, 0, "3%", "cannot tell"), (100, 0, "4%", "met"), (100, 20, "5%", "missed"),
     (100, 20, "20%", "cannot tell"), (100, 5, "100%", "met")],
)  # fmt: skip
def test_a_share_is_judged_by_the_exact_interval_of_all_turns(
    n: int, failing: int, limit: str, verdict: str
) -> None:
    told = judged(hundred("error", failing), f"errors<{limit}")
    assert (told.lo, told.hi) == pytest.approx(clopper_pearson(failing, n))
    assert (told.figure, told.verdict) == (failing / n, verdict)


def test_failures_that_come_in_bursts_are_known_less_surely() -> None:
    spread = [flow(1.0, round=n % 10, conversation=n) for n in range(1000)]
    burst = [structs.replace(row, round=row.conversation // 100) for row in spread]
    ends: list[Outcome] = ["error" if 300 <= n < 350 else "paid" for n in range(1000)]
    evenly, at_once = (
        judged([structs.replace(row, outcome=end) for row, end in zip(rows, ends, strict=True)],
               "errors<9%")
        for rows in (spread, burst)
    )  # fmt: skip
    assert evenly.figure == at_once.figure == 0.05
    assert (evenly.verdict, at_once.verdict) == ("met", "cannot tell")


def test_each_strategy_is_judged_for_itself_promise_by_promise() -> None:
    found = [*flows([100.0] * 100), *flows([900.0] * 100, variant="warm")]
    told = judge_slos(columns(found), ["base", "warm"], read_slos("p50<500ms,errors<9%"))
    assert [(one.text, one.variant, one.verdict) for one in told] == [
        ("p50<500ms", "base", "met"),
        ("p50<500ms", "warm", "missed"),
        ("errors<9%", "base", "met"),
        ("errors<9%", "warm", "met"),
    ]


# Of one stage


def turns_of_calls(late_s: float = 0.0, second_s: float = 0.5) -> Columns:
    """100 turns that start late and then make two calls of 100 ms, the second once it may."""
    found, spans = [], []
    for n in range(100):
        row = structs.replace(flow(1000.0, conversation=n, due_s=float(n)), start_s=n + late_s)
        found.append(row)
        for number, begin in enumerate((row.start_s, row.start_s + second_s)):
            stage = ("intent", "pay")[number]
            spans.append(span(row, stage, begin, begin + 0.1, number))
    return columns(found, spans)


def test_the_first_call_counts_from_when_its_turn_was_due_and_others_from_their_start() -> None:
    late = turns_of_calls(late_s=0.25)
    intent, pay = judge_slos(late, ["base"], read_slos("intent p50<1s, pay p50<1s"))
    assert intent.figure == pytest.approx(350)
    assert pay.figure == pytest.approx(100)
    assert (intent.count, pay.count) == (100, 100)


def test_a_call_that_takes_exactly_what_was_promised_keeps_it() -> None:
    found, spans = [], []
    for n in range(100):
        found.append(flow(1000.0, conversation=n, due_s=n / 10))
        spans.append(span(found[-1], "pay", n / 10, n / 10 + 0.3))
    (one,) = judge_slos(columns(found, spans), ["base"], read_slos("pay p95<=300ms"))
    assert (one.figure, one.hi, one.verdict) == (300, 300, "met")


def test_a_stage_that_never_was_decides_nothing() -> None:
    told = judge_slos(turns_of_calls(), ["base"], read_slos("warm p50<1s,warm errors<1%"))
    assert [(one.count, one.verdict) for one in told] == [(0, "cannot tell")] * 2


@pytest.mark.parametrize(
    ("status", "outcome", "fails"),
    [
        (200, "paid", False),
        (0, "paid", True),  # no whole answer, made up for by another call
        (429, "paid", True),
        (503, "paid", True),
        (402, "declined", False),
        (403, "declined", False),
        (401, "error", True),
        (200, "error", True),  # what it said broke the wire, and ended the turn
    ],
)
def test_a_call_fails_by_its_status_or_as_the_last_of_a_turn_in_error(
    status: int, outcome: Outcome, fails: bool
) -> None:
    row = flow(1000.0, outcome=outcome)
    before, last = span(row, "intent", 0.0, 0.4, 0), span(row, "pay", 0.4, 1.0, 1)
    after = span(row, "warm", 0.9, 1.5, 2)  # forked, and ended after its turn
    spans = [before, structs.replace(last, status=status), after]
    found = judge_slos(
        columns([row], spans), ["base"], read_slos("pay errors<1%,intent errors<1%,warm errors<1%")
    )
    assert [one.figure for one in found] == [float(fails), 0.0, 0.0]


def test_a_step_of_the_app_itself_has_no_status_and_does_not_fail() -> None:
    row = flow(1000.0)
    step = structs.replace(span(row, "sign", 0.0, 1.0), provider="", status=0)
    assert judged([row], "sign errors<1%", [step]).figure == 0.0


def test_what_a_stage_does_between_its_calls_keeps_no_promise_about_them() -> None:
    found, spans = [], []
    for n in range(100):
        row = flow(1000.0, conversation=n, due_s=float(n))
        call = structs.replace(span(row, "pay", n + 0.1, n + 0.6, 1), status=503 * (n < 50) or 200)
        before, after = (span(row, "pay", n + at, n + at + 0.1, at) for at in (0, 1))
        steps = [structs.replace(of, provider="", status=0) for of in (before, after)]
        warm = [structs.replace(of, variant="warm") for of in steps]
        spans += [call, *steps, *warm]
        found += [row, structs.replace(row, variant="warm")]
    asked = read_slos("pay p50 < 300ms, pay errors < 25%")
    judged_all = judge_slos(columns(found, spans), ["base", "warm"], asked)
    told = {(one.variant, one.quantile): one for one in judged_all}
    assert (told["base", 0.5].count, told["base", 0.5].verdict) == (100, "missed")
    assert (told["base", None].figure, told["base", None].verdict) == (0.5, "missed")
    # Where it makes no call at all, its steps are what there is to be judged.
    assert told["warm", 0.5].count == 200 and told["warm", 0.5].figure == pytest.approx(100)


@given(st.lists(st.floats(1, 1e5), min_size=6, max_size=60), st.floats(1, 1e5))
def test_a_verdict_says_no_more_than_its_bounds(values: list[float], limit_ms: float) -> None:
    found = [flow(ms, conversation=n) for n, ms in enumerate(values)]
    (told,) = judge_slos(columns(found), ["base"], [Slo("", "", 0.5, limit_ms)])
    assert told.lo is not None and told.hi is not None and told.figure is not None
    assert told.lo <= np.quantile(values, 0.5, method="inverted_cdf") <= told.hi
    assert (told.verdict == "met") == (told.hi < limit_ms)
    assert (told.verdict == "missed") == (told.lo >= limit_ms)
