"""A conversation as text: what every line says, of turns as they are played and as they are stored;
no terminal is opened."""

import httpx
from msgspec.structs import replace

from harness.clock import VirtualClock
from harness.flow.flow import Flow, Span, World
from harness.record import Rows, columns_of
from harness.report.conversation import conversation_of, waterfall
from tests.record.sample import FLOW, SPAN

ROW = replace(FLOW, due_s=100.0, start_s=100.0, end_s=104.0, turn=0, outcome="paid")
ASK = replace(
    SPAN, turn=0, stage="intent", provider="openai", start_s=100.0, end_s=101.0, status=200
)
PAY = replace(ASK, stage="pay", provider="wechat-ai", start_s=101.0, end_s=102.0, status=0)
AGAIN = replace(PAY, start_s=102.0, end_s=103.0, status=200, attempt=2)
CHECK = replace(ASK, stage="checks", provider="", start_s=103.0, end_s=104.0, status=0)


def played() -> Flow:
    """The same turn, as it is while it is played."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    world = World(VirtualClock(), transport, 1, 2, True)
    flow = Flow(world, 7, 0, 100.0, 100.0, 104.0, "paid", method="card")
    flow.amount_minor, flow.currency = 4580, "CNY"
    for of in (AGAIN, ASK, PAY, CHECK):
        fault = "Unreachable: connection reset by peer" if of is PAY else ""
        times = of.start_s, of.end_s, of.end_s, of.end_s
        flow.spans.append(Span(of.stage, of.provider, *times, of.status, of.attempt, None, fault))
    return flow


def test_a_turn_is_its_wish_its_end_and_a_line_a_call() -> None:
    assert waterfall([(ROW, [AGAIN, ASK, PAY, CHECK])], 72) == [
        "turn 0, due at 100.000 s: 45.80 CNY with card: paid after 4.000 s",
        "  intent     openai          0.000    1.000 |====            | 200",
        "  pay        wechat-ai       1.000    2.000 |    ====        | no answer",
        "  pay #2     wechat-ai       2.000    3.000 |        ====    | 200",
        "  checks     app             3.000    4.000 |            ====|",
    ]


def test_of_a_turn_that_was_played_here_faults_are_told_too() -> None:
    stored, here = waterfall([(ROW, [AGAIN, ASK, PAY, CHECK])]), waterfall([played()])
    assert [line for line in here if line not in stored] == [
        "             Unreachable: connection reset by peer"
    ]
    assert [line for line in here if line in stored] == stored


def test_however_late_a_call_is_its_times_stand_apart() -> None:
    late = replace(PAY, start_s=10_100.0, end_s=87_654.5)
    (_, line) = waterfall([(ROW, [late])], 72)
    assert line.split()[2:4] == ["10000.000", "87554.500"]


def test_what_ended_a_turn_and_what_was_told_stand_under_it() -> None:
    flow = played()
    flow.outcome, flow.cause = "error", "Malformed: no JSON"
    lines = waterfall([flow], shown={0: ["Paid, and " + "very " * 20 + "well."], 1: ["no"]})
    assert lines[1] == "  ended by Malformed: no JSON"
    assert lines[2].startswith('  told: "Paid, and very')
    assert not any(line.strip() == "no" for line in lines)


def test_no_line_is_wider_than_it_may_be() -> None:
    long = replace(AGAIN, stage="a-stage-of-somebodys-own", provider="a-provider-of-somebodys")
    flow = played()
    flow.cause = "Refused: " + "x" * 30 + " and so on " * 20
    for width in (72, 80, 120):
        lines = waterfall([(replace(ROW, amount_minor=0, method=""), [ASK, long])], width)
        assert max(map(len, [*lines, *waterfall([flow], width)])) <= width


def test_a_turn_that_is_not_over_is_running_and_a_call_of_no_time_has_a_mark() -> None:
    flow = played()
    flow.end = None
    flow.spans = [Span("pay", "stripe", 100.0, 100.0, 100.0, 100.0, 0, 1, None)]
    head, line = waterfall([flow], 72)
    assert head.endswith(": running")
    assert "|=  " in line


def test_a_conversation_is_found_among_those_of_a_run() -> None:
    other = replace(ROW, conversation=8)
    later = replace(ROW, turn=1)
    rows = Rows(
        [ROW, later, other, replace(ROW, variant="baseline")],
        [ASK, replace(PAY, turn=1), replace(ASK, conversation=8), replace(ASK, round=3)],
    )
    found = conversation_of(columns_of(rows), "prewarm", ROW.round, ROW.conversation)
    assert found == [(ROW, [ASK]), (later, [replace(PAY, turn=1)])]
    assert conversation_of(columns_of(rows), "nobody", 2, 7) == []
