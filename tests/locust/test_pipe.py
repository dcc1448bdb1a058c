"""What Locust is shown of a turn, and when a run's count of turns is to be believed."""

from collections.abc import Callable

import msgspec
import pytest

from harness.load.pipe import Account, Flow, Order, Sample, Span, Turn, samples, verdict


def _span(stage: str, provider: str = "openai", status: int = 200) -> Span:
    return Span(stage, provider, 2.0, 2.25, status)


def _turn(outcome: str, *spans: Span, fault: str = "") -> Turn:
    return Turn(Flow(1234.5, outcome), list(spans), fault)


def test_a_turn_counts_from_its_due_time_and_each_call_by_its_own_length() -> None:
    turn = _turn("paid", _span("intent"), _span("encrypt", provider="", status=0), _span("pay"))
    assert list(samples(turn, "conversation")) == [
        Sample("TURN", "conversation", 1234.5, ""),
        Sample("CALL", "intent", 250.0, ""),
        Sample("STEP", "encrypt", 250.0, ""),
        Sample("CALL", "pay", 250.0, ""),
    ]


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        (_turn("paid"), ""),
        (_turn("declined"), ""),
        (_turn("refunded"), ""),
        (_turn("reversed"), ""),
        (_turn("ok"), ""),
        (_turn("unknown"), "unknown"),
        (_turn("error", fault="Overloaded: 503"), "error: Overloaded: 503"),
        (_turn("unknown", fault="Unreachable: x"), "unknown: Unreachable: x"),
    ],
)
def test_a_turn_has_failed_when_it_broke_or_its_money_is_in_doubt(turn: Turn, fault: str) -> None:
    assert [sample.fault for sample in samples(turn, "x")] == [fault]


@pytest.mark.parametrize(
    ("status", "fault"),
    [(200, ""), (400, ""), (401, ""), (0, "no answer"), (429, "status 429"), (503, "status 503")],
)
def test_a_call_has_failed_when_it_got_no_answer_or_was_turned_away(
    status: int, fault: str
) -> None:
    (_, call) = samples(_turn("paid", _span("pay", status=status)), "x")
    assert call.fault == fault


Accounts = list[Account | None]


@pytest.mark.parametrize(
    ("accounts", "fired", "valid"),
    [
        ([Account(5, 5, 5)], 5, True),
        ([Account(9, 5, 5)], 5, True),  # a stop cut conversations short
        ([Account(5, 5, 5), Account(2, 2, 2)], 7, True),
        ([Account(5, 5, 5), Account(0, 0, 0)], 5, True),
        ([Account(5, 5, 4)], 4, False),
        ([Account(5, 5, 5)], 4, False),
        ([Account(5, 5, 5)], 6, False),
        ([Account(5, 5, 5), None], 5, False),
        ([None], 0, False),
        ([Account(0, 0, 0)], 0, False),
        ([], 0, False),
    ],
)
def test_a_run_is_believed_when_every_turn_started_has_come_through(
    accounts: Accounts, fired: int, valid: bool
) -> None:
    believed, line = verdict(accounts, fired)
    assert believed == valid
    assert ("INVALID" in line) != valid
    assert "\n" not in line


def test_the_line_says_how_many_engines_gave_no_account() -> None:
    line = verdict([Account(5, 5, 5), None, None], 5)[1]
    assert line.endswith("; 2 of 3 engines gave no account")


@pytest.mark.parametrize(
    ("order", "line"),
    [
        (Order(rate=2.5), b'{"rate":2.5}'),
        (Order(rate=0.0), b'{"rate":0.0}'),
        (Order(stop=True), b'{"stop":true}'),
    ],
)
def test_an_order_survives_the_pipe(order: Order, line: bytes) -> None:
    assert msgspec.json.encode(order) == line
    assert msgspec.json.decode(line, type=Order) == order


Decode = Callable[[bytes], Turn | Account]


def test_a_line_may_hold_more_than_is_read() -> None:
    decode: Decode = msgspec.json.Decoder(Turn | Account).decode
    told = decode(
        b'{"type":"turn","flow":{"outcome":"paid","response_ms":1.5,"due_s":0.1},'
        b'"spans":[{"stage":"pay","provider":"p","start_s":1,"end_s":2,"status":200,"x":null}],'
        b'"fault":""}'
    )
    assert told == Turn(Flow(1.5, "paid"), [Span("pay", "p", 1, 2, 200)], "")
