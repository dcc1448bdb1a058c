"""One call of a tested app by our clock: how far the mocks' clock is off, and what it becomes."""

import pytest

from harness.load.app_spans import Offset, Seen, span_of


def test_the_offset_is_known_to_half_a_round_trip_and_the_tightest_is_kept() -> None:
    offset = Offset()
    offset.learn(sent=10.0, answered=10.4, clock_s=110.3)
    assert (offset.ahead_s, offset.error_s) == pytest.approx((100.1, 0.2))
    offset.learn(sent=11.0, answered=11.002, clock_s=111.001)
    assert (offset.ahead_s, offset.error_s) == pytest.approx((100.0, 0.001))
    offset.learn(sent=12.0, answered=12.8, clock_s=112.1)
    assert offset.ahead_s == pytest.approx(100.0)


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    offset = Offset()
    offset.learn(sent=10.0, answered=10.002, clock_s=110.001)
    offset.learn(sent=11.0, answered=11.8, clock_s=17.4)
    assert (offset.ahead_s, offset.error_s) == pytest.approx((6.0, 0.4))


def test_an_old_estimate_gives_way_to_a_new_one_that_was_worse() -> None:
    offset = Offset()
    offset.learn(sent=0.0, answered=0.002, clock_s=5.001)
    assert offset.error_at(3600.0) == pytest.approx(0.001 + 0.18, abs=1e-3)
    offset.learn(sent=3600.0, answered=3600.02, clock_s=3605.2)
    assert (offset.ahead_s, offset.error_s) == pytest.approx((5.19, 0.01))


@pytest.mark.parametrize(
    ("start", "end", "as_told"),
    [
        (0.999, 1.5, (1.0, 1.5)),  # before the turn, within the error: with it
        (0.9, 1.5, (0.9, 1.5)),
        (1.5, 2.001, (1.5, 2.0)),
        (1.5, 2.1, (1.5, 2.1)),  # it outlasted the turn
        (2.001, 2.003, (2.001, 2.003)),
    ],
)
def test_what_seems_to_lie_outside_within_the_error_lies_inside(
    start: float, end: float, as_told: tuple[float, float]
) -> None:
    call = Seen("openai", "-1.0.0.foreign.1", "/openai/v1/x", "", start, end, 200)
    span = span_of(call, Offset(0.0, 0.002), 1.0, 2.0)
    assert (span.start, span.end) == as_told


@pytest.mark.parametrize(
    ("status", "fault"),
    [(200, ""), (402, ""), (404, ""), (429, "RateLimited 429"), (503, "Overloaded 503")],
)
def test_a_call_of_the_apps_that_failed_is_a_failed_call_and_a_refusal_is_none(
    status: int, fault: str
) -> None:
    call = Seen("flat", "-1.0.0.foreign.1", "/flat/payments", "", 1.0, 2.0, status)
    assert span_of(call, Offset(0.0, 0.0), 1.0, 2.0).fault == fault


@pytest.mark.parametrize(
    ("draw", "path", "stage", "attempt"),
    [
        ("0.7.2.intent.1", "/openai/v1/chat/completions", "intent", 1),
        ("0.7.2.openai/completions.3", "/openai/v1/chat/completions", "openai/completions", 3),
        ("0.7.2.gateway.do.2", "/alipay-ai/gateway.do", "gateway.do", 2),
        ("-1.7.0.a.b.c.12", "/openai/v1/x", "a.b.c", 12),
        ("what?", "/openai/v1/chat/completions", "openai/completions", 1),
    ],
)
def test_a_span_has_the_stage_and_attempt_of_its_draw(
    draw: str, path: str, stage: str, attempt: int
) -> None:
    span = span_of(Seen("openai", draw, path, "", 1.0, 2.0, 200), Offset(0.0, 0.0), 1.0, 2.0)
    assert (span.stage, span.attempt, span.provider) == (stage, attempt, "openai")
    assert span.told is None
