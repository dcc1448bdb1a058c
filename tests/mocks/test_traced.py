"""Calls of a foreign app that say which turn they are for: kept with their trace, and served draws
by which the same turn meets the same weather whatever the order in which calls come."""

import io
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import httpx
import msgspec
import pytest

from harness.answer import Answer
from harness.clock import VirtualClock, run
from harness.providers.told import DRAW_HEADER, DrawKey
from harness.providers.trace import TRACEPARENT, Trace, encode_traceparent, run_prefix, trace_id_of
from mocks import latency
from mocks.admin import Admin
from mocks.desk import Served
from mocks.host import IN_PROCESS_URL, MockConfig
from mocks.latency import Delays
from mocks.log import RequestLog
from mocks.worlds import Worlds
from tests.mocks.fast import fast_mocks

CHAT, SESSION = "/openai/v1/chat/completions", "/wechat-ai/oauth/session"
BODY = b'{"model":"teller","messages":[{"role":"user","content":"Hello?"}]}'
FOREIGN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RUN, OTHER_RUN = 0xABC, 0xDEF


def _ours(conversation: int, turn: int = 0, run: int = RUN) -> str:
    return encode_traceparent(Trace(run, conversation, turn))


def _request(path: str, traceparent: str = "", draw: str = "") -> httpx.Request:
    headers = {"authorization": "Bearer mock-api-key"}
    headers |= {TRACEPARENT: traceparent} if traceparent else {}
    headers |= {DRAW_HEADER: draw} if draw else {}
    return httpx.Request("POST", IN_PROCESS_URL + path, headers=headers, content=BODY)


def _windy() -> MockConfig:
    """Mocks of which no two calls take as long."""
    mocks = fast_mocks()
    teller = mocks.models["teller"]
    wide = msgspec.structs.replace(teller.latency, ttft_p99_ms=500.0)
    return msgspec.structs.replace(
        mocks, models={"teller": msgspec.structs.replace(teller, latency=wide)}
    )


class House:
    """The door to the mocks, which decide at once."""

    def __init__(self) -> None:
        clock, mocks = VirtualClock(), _windy()
        self.door = Admin(clock, Worlds(clock, mocks), mocks.seed, clock.now())

    def ask(self, *requests: httpx.Request) -> list[Served]:
        answers = [self.door.decide(request) for request in requests]
        return [answer.note for answer in answers if isinstance(answer.note, Served)]

    def page(self, path: str) -> Any:
        answer: Answer = self.door.decide(httpx.Request("GET", IN_PROCESS_URL + path))
        return msgspec.json.decode(answer.chunks[0]) | {"status": answer.status}


def _asked(*requests: httpx.Request) -> list[Served]:
    async def main() -> list[Served]:
        return House().ask(*requests)

    return run("virtual", main())


# Draws


def test_a_call_for_a_turn_of_ours_is_served_the_draw_of_that_turn() -> None:
    requests = [
        _request(CHAT, _ours(7, 2)),
        _request(SESSION, _ours(7, 2)),
        _request(CHAT, _ours(7, 2)),
    ]
    assert [call.key for call in _asked(*requests)] == [
        DrawKey(0, 7, 2, "openai/completions", 1),
        DrawKey(0, 7, 2, "wechat-ai/session", 1),
        DrawKey(0, 7, 2, "openai/completions", 2),
    ]


def test_a_turn_meets_the_same_weather_in_whatever_order_calls_come_and_in_every_run() -> None:
    def weather(order: Sequence[int], run: int) -> dict[int, float]:
        calls = _asked(*[_request(CHAT, _ours(n, run=run)) for n in order])
        return {call.key.conversation: call.injected_ms for call in calls}

    orders = list(permutations(range(4)))
    told = [weather(order, run) for order in orders for run in (RUN, OTHER_RUN)]
    assert all(one == told[0] for one in told)
    assert len(set(told[0].values())) == 4


def test_a_draw_that_is_named_wins() -> None:
    (call,) = _asked(_request(CHAT, _ours(7), draw="3.1.4.intent.1"))
    assert call.key == DrawKey(3, 1, 4, "intent", 1)
    assert call.trace == trace_id_of(_ours(7))


@pytest.mark.parametrize("traceparent", ["", FOREIGN, "nonsense"])
def test_any_other_call_is_served_draws_in_the_order_of_arrival(traceparent: str) -> None:
    calls = _asked(*[_request(CHAT, traceparent) for _ in range(3)])
    assert [call.key for call in calls] == [DrawKey(-1, n, 0, "foreign", 1) for n in range(3)]


def test_a_mock_counts_the_calls_of_the_newest_turns_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "KEPT_STAGES", 2)
    delays = Delays(1, "openai")

    def nth(conversation: int) -> int:
        traceparent = _ours(conversation)
        return delays.key(_request(CHAT, traceparent), trace_id_of(traceparent)).attempt

    # The third turn drives out the one that has not called for longest.
    assert [nth(n) for n in (1, 2, 1, 3, 1, 2)] == [1, 1, 2, 1, 3, 1]


# What is told


def _told(query: str) -> Any:
    async def main() -> Any:
        house = House()
        traces = [_ours(1), _ours(2), _ours(1, run=OTHER_RUN), FOREIGN, ""]
        house.ask(*[_request(CHAT, traceparent) for traceparent in traces])
        return house.page("/_spans" + query)

    return run("virtual", main())


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("?trace=", [0, 1, 2, 3, 4]),
        (f"?trace={run_prefix(RUN)}", [0, 1]),
        (f"?trace={run_prefix(OTHER_RUN)}", [2]),
        (f"?trace={trace_id_of(_ours(2))}", [1]),
        ("?trace=4bf92f", [3]),
        ("?trace=ffff", []),
    ],
)
def test_calls_are_told_by_the_beginning_of_their_trace_id(query: str, places: list[int]) -> None:
    whole, told = _told("")["spans"], _told(query)["spans"]
    assert told == [whole[place] for place in places]


def test_a_call_is_told_with_its_trace_and_when_its_answer_ends() -> None:
    span = _told("")["spans"][0]
    assert span["trace"] == trace_id_of(_ours(1))
    assert span["ended_s"] == span["arrived_s"] + span["injected_ms"] / 1e3
    assert _told("")["spans"][4]["trace"] == ""


@pytest.mark.parametrize("prefix", ["xyz", "ABC", "0" * 33, "*", "a%0A"])
def test_what_begins_no_trace_id_is_refused_with_the_reason(prefix: str) -> None:
    told = _told(f"?trace={prefix}")
    assert told["status"] == 400
    assert "trace must be up to 32 lower-case hex digits" in told["error"]


def test_calls_since_a_time_are_told_though_older_ones_are_not_looked_at() -> None:
    async def main() -> list[Counter[str]]:
        house, clock, told = House(), VirtualClock(), []
        for n in range(3):
            await clock.sleep_until(float(n))
            house.ask(_request(CHAT, _ours(n)), _request(SESSION, _ours(n)))
        for since in ("-inf", "0", "0.5", "1", "2"):
            spans = house.page(f"/_spans?since={since}")["spans"]
            told.append(Counter(span["arrived_s"] for span in spans))
            assert [span["arrived_s"] for span in spans] == sorted(told[-1].elements())
        return told

    told = run("virtual", main())
    assert told == [
        {0.0: 2, 1.0: 2, 2.0: 2}, {1.0: 2, 2.0: 2}, {1.0: 2, 2.0: 2}, {2.0: 2}, {},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("traceparent", "trace"), [(FOREIGN, FOREIGN[3:35]), ("nonsense", None), ("", None)]
)
def test_the_request_log_has_the_trace(traceparent: str, trace: str | None) -> None:
    out = io.StringIO()

    async def main() -> None:
        RequestLog(out).note("POST", CHAT, House().door.decide(_request(CHAT, traceparent)))

    run("virtual", main())
    line = msgspec.json.decode(out.getvalue())
    assert line["trace"] == trace
    assert "nonsense" not in out.getvalue()
