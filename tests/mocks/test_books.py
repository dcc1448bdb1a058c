"""The books of a serving: one truth for all lines, and a time that never runs backwards."""

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.answer import Answer
from harness.clock import RealClock, run
from harness.providers import wechat_ai
from harness.providers.call import Call
from mocks.asgi import Asked
from mocks.books import ArrivalClock, Books
from mocks.host import IN_PROCESS_URL, Host, endpoints
from mocks.line import Ask, Decided, FromWorker, Hello, Line, TurnedDown
from mocks.log import RequestLog
from tests.mocks.fast import fast_mocks

T = TypeVar("T")
MOCKS = fast_mocks()
AT = endpoints(IN_PROCESS_URL, MOCKS)["wechat-ai"]


class _Kept(Line[FromWorker]):
    """A line whose other end only keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(FromWorker, lambda message: None)
        self.told: list[Decided] = []

    def say(self, message: object) -> None:
        assert isinstance(message, Decided)
        self.told.append(message)


class House:
    """Books of quick mocks, and two workers' lines to them."""

    def __init__(self) -> None:
        self.clock = ArrivalClock()
        self.log = RequestLog()
        self.host = Host(self.clock, MOCKS)
        self.books = Books(self.host, self.clock, self.log)
        self.lines = _Kept(), _Kept()

    def ask(self, line: int, request: httpx.Request, arrived: float | None = None) -> Decided:
        arrived = RealClock().now() if arrived is None else arrived
        target = request.url.raw_path
        head = [(name.lower(), value) for name, value in request.headers.raw]
        asked = Asked(request.method, request.url.path, target, head, request.content, arrived)
        told = self.lines[line].told
        self.books.hear(self.lines[line], Ask(len(told), asked))
        assert told[-1].number == len(told) - 1
        return told[-1]

    def value(self, line: int, call: Call[T]) -> T:
        told = self.ask(line, call.request)
        return call.decode(told.status, httpx.Headers(told.headers), b"".join(told.chunks))

    def payment(self) -> Call[wechat_ai.Receipt | wechat_ai.Refusal]:
        """Under a session that was opened on the first line, with a key of the second."""
        opened = self.value(0, wechat_ai.open_session(AT, "ada", "balance"))
        key = self.value(1, wechat_ai.fetch_key(AT))
        assert isinstance(opened, wechat_ai.Session)
        order = wechat_ai.Order("o-1", "ada", "balance", 4580, "CNY", "noodles")
        return wechat_ai.transact(AT, "pay.authorize", opened.session_token, key, order)


def _at_home(story: Callable[[House], None]) -> None:
    async def main() -> None:
        story(House())

    run("real", main())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_no_two_calls_have_one_moment_and_none_comes_before_an_earlier_one(
    arrivals: list[float],
) -> None:
    clock, moments, latest = ArrivalClock(), list[float](), float("-inf")
    for at in arrivals:
        clock.arrive(at)
        moments.append(clock.now())
        assert clock.now() == moments[-1]
        clock.leave()
        if at > latest:
            assert moments[-1] == at
        assert moments[-1] == pytest.approx(max(latest, at))
        latest = moments[-1]
    assert all(before < after for before, after in pairwise(moments))


def test_a_clock_that_was_read_between_two_calls_is_not_turned_back_either() -> None:
    clock = ArrivalClock()
    real = clock.now()
    clock.arrive(real - 5.0)
    assert real < clock.now() < real + 1e-6
    clock.leave()
    assert clock.now() >= real


def test_a_delay_counts_from_the_arrival_and_not_from_when_it_is_decided() -> None:
    def story(house: House) -> None:
        request = wechat_ai.open_session(AT, "ada", "balance").request
        begin = RealClock().now()
        for arrived in (begin + 100.0, begin + 100.5):
            told = house.ask(0, request, arrived)
            served = house.host.setting.journal[-1]
            assert served.arrived == arrived
            (leaves,) = told.times
            assert leaves == pytest.approx(arrived + served.injected_ms / 1e3)

    _at_home(story)


def test_calls_that_come_out_of_order_are_journalled_in_rising_times() -> None:
    def story(house: House) -> None:
        request = wechat_ai.fetch_key(AT).request
        begin = RealClock().now() + 1.0
        for line, arrived in ((0, begin), (1, begin - 0.5), (0, begin + 0.5), (1, begin)):
            house.ask(line, request, arrived)
        times = [served.arrived for served in house.host.setting.journal]
        assert all(before < after for before, after in pairwise(times))
        assert times == [pytest.approx(begin + late) for late in (0.0, 0.0, 0.5, 0.5)]

    _at_home(story)


def test_a_token_of_one_line_pays_on_the_other_and_an_order_is_booked_once() -> None:
    def story(house: House) -> None:
        pay = house.payment()
        for line in (1, 0, 1):
            assert isinstance(house.value(line, pay), wechat_ai.Receipt)
        (entry,) = house.host.payments["wechat-ai"].ledger
        assert (entry.state, entry.order_no) == ("paid", "o-1")
        assert house.log.served == {"wechat-ai": 5}

    _at_home(story)


def test_deciding_a_payment_is_work_of_its_own_beside_its_delay() -> None:
    def story(house: House) -> None:
        told = house.ask(0, house.payment().request)
        served = house.host.setting.journal[-1]
        assert served.work_ms > 0
        (leaves,) = told.times
        assert leaves == pytest.approx(served.arrived + served.injected_ms / 1e3)

    _at_home(story)


def test_a_mock_that_breaks_is_a_500_and_the_next_call_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def decide(self, request: httpx.Request) -> Answer:
            if request.url.path == "/broken":
                raise ZeroDivisionError
            return Answer(200, {}, [0.0], [b"well"])

    def story(house: House) -> None:
        house.books = Books(Broken(), house.clock, house.log)
        statuses = [house.ask(0, _get(path)).status for path in ("/broken", "/whole")]
        assert statuses == [500, 200]
        assert house.log.served == {"": 2}

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        _at_home(story)
    assert "ZeroDivisionError" in caplog.text


def test_what_a_worker_turned_down_is_counted_and_a_path_that_is_none_too() -> None:
    def story(house: House) -> None:
        house.books.hear(house.lines[0], TurnedDown("POST", "/openai/v1", 413))
        house.books.hear(house.lines[0], Hello(0.0))
        asked = Asked("GET", "/a", b"/a\x7f", [], b"", 0.0)
        house.books.hear(house.lines[0], Ask(0, asked))
        assert [told.status for told in house.lines[0].told] == [400]
        assert house.log.served == {"": 2}

    _at_home(story)


def _get(path: str) -> httpx.Request:
    return httpx.Request("GET", IN_PROCESS_URL + path)
