"""Webhooks on the virtual clock: at least once, to the microsecond, and nothing left behind."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from harness.clock import VirtualClock, run
from harness.providers.told import DrawKey
from mocks.courier import PATIENCE_S, Courier, Deliver
from mocks.figures import WebhookTerms
from mocks.latency import Delays

RETRY_S = [15.0, 30.0, 180.0]
TERMS = WebhookTerms(
    p50_ms=300.0, p99_ms=300.0, retry_s=RETRY_S, provenance="assumed", source="tests",
    date=datetime.date(2026, 1, 1),
)  # fmt: skip
"""Median and 99th percentile are one: every delay is 300 ms."""

SPREAD = replace(TERMS, p99_ms=1500.0)
AFTER_S = 2.0
GIVEN_UP = [2.3, 17.3, 47.3, 227.3]
"""When a notice is tried that nobody takes."""


@dataclass
class App:
    """Takes notices in, and answers each as the test says; "success" is the receipt."""

    answers: list[Callable[[httpx.Request], Awaitable[httpx.Response]]] = field(
        default_factory=list
    )
    seen: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((round(VirtualClock().now(), 6), request.content.decode()))
        if self.answers:
            return await self.answers.pop(0)(request)
        return httpx.Response(200, content=b"success")

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.seen]


def taken(answer: httpx.Response) -> bool:
    return answer.content == b"success"


def key(n: int = 0) -> DrawKey:
    return DrawKey(0, n, 0, "pay", 1)


def notice(text: str = "paid") -> httpx.Request:
    return httpx.Request("POST", "http://app/n", content=text)


def carry(
    app: Deliver | None,
    terms: WebhookTerms | None = TERMS,
    *,
    notices: int = 1,
    make: Callable[[], httpx.Request | None] = notice,
    texts: bool = False,
    scale: float = 1.0,
) -> None:
    """Send so many notices and wait until nothing is under way; with `texts` each says its
    number."""

    async def main() -> None:
        clock = VirtualClock()
        courier = Courier(clock, Delays(1, "any"), terms, app, taken, scale)
        for n in range(notices):
            courier.send(key(n), "paid", AFTER_S, partial(notice, str(n)) if texts else make)
        await asyncio.sleep(1e6)
        assert courier.under_way == 0

    run("virtual", main())


async def refused(request: httpx.Request) -> httpx.Response:
    return httpx.Response(500, content=b"failure")


async def misread(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b"fail")


async def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def cut_off(request: httpx.Request) -> httpx.Response:
    async def chunks() -> Any:
        yield b"succ"
        raise httpx.ReadError("connection reset")

    return httpx.Response(200, content=chunks())


async def silent(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(1e5)
    raise AssertionError("nobody waits so long")


async def slow(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(PATIENCE_S - 0.001)
    return httpx.Response(200, content=b"success")


def test_a_notice_arrives_once_after_its_delay() -> None:
    app = App()
    carry(app)
    assert app.seen == [(2.3, "paid")]


def test_delays_have_the_quantiles_of_the_terms() -> None:
    app = App()
    carry(app, SPREAD, notices=4000)
    delays_s = sorted(time - AFTER_S for time in app.times)
    assert delays_s[2000] == pytest.approx(0.3, rel=0.05)
    assert delays_s[3960] == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_some_notices_come_twice(share: float) -> None:
    app = App()
    carry(app, replace(SPREAD, twice_share=share), notices=2000)
    assert len(app.seen) - 2000 == pytest.approx(2000 * share, abs=80 if 0 < share < 1 else 0)


def test_the_second_copy_has_a_delay_of_its_own() -> None:
    app = App()
    carry(app, replace(SPREAD, twice_share=1.0))
    assert len(set(app.times)) == 2


def test_a_late_notice_comes_a_further_delay_later() -> None:
    app = App()
    carry(app, replace(TERMS, late_share=1.0))
    assert app.times == [2.6]


def test_late_notices_overtake_each_other() -> None:
    app = App()
    carry(app, replace(TERMS, late_share=0.5), notices=50, texts=True)
    order = [int(text) for _, text in app.seen]
    assert sorted(order) == list(range(50))
    assert order != sorted(order)


def test_a_lost_notice_comes_at_the_first_retry() -> None:
    app = App()
    carry(app, replace(TERMS, lost_share=1.0))
    assert app.times == [17.3]


def test_a_lost_notice_that_is_not_tried_again_never_comes() -> None:
    app = App()
    carry(app, replace(TERMS, lost_share=1.0, retry_s=[]))
    assert app.seen == []


@pytest.mark.parametrize("trouble", [refused, misread, unreachable, cut_off])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_notice_that_was_not_taken_is_tried_again_until_it_is(
    trouble: Callable[[httpx.Request], Awaitable[httpx.Response]], times: int
) -> None:
    app = App([trouble] * times)
    carry(app)
    assert app.times == GIVEN_UP[: times + 1]


@pytest.mark.parametrize("trouble", [refused, unreachable])
def test_a_notice_that_is_never_taken_ends_with_the_last_retry(
    trouble: Callable[[httpx.Request], Awaitable[httpx.Response]],
) -> None:
    app = App([trouble] * 99)
    carry(app)
    assert app.times == GIVEN_UP


def test_an_app_that_is_silent_is_given_up_and_tried_again() -> None:
    app = App([silent])
    carry(app)
    assert app.times == GIVEN_UP[:2]


def test_a_slow_receipt_is_one() -> None:
    app = App([slow])
    carry(app)
    assert app.times == [2.3]


def test_the_waits_before_further_tries_are_scaled_and_the_delay_is_not() -> None:
    app = App([refused] * 99)
    carry(app, scale=0.01)
    assert app.times == [2.3, 2.45, 2.75, 4.55]


def test_each_try_is_signed_anew() -> None:
    app = App([refused, refused])
    carry(app, make=lambda: notice(f"{VirtualClock().now():.1f}"))
    assert [text for _, text in app.seen] == ["2.3", "17.3", "47.3"]


def test_what_there_is_no_news_of_any_more_is_not_sent() -> None:
    app = App([refused] * 99)
    news = iter([notice()])
    carry(app, make=lambda: next(news, None))
    assert app.times == [2.3]


def test_a_bug_in_the_app_is_told_to_its_loop_and_the_mock_lives_on() -> None:
    told: list[str] = []

    async def bug(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError("of the app")

    async def app(request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        return await there(request)

    there = App([bug])
    carry(app)
    assert there.times == GIVEN_UP[:2]
    assert told == ["ZeroDivisionError('of the app')"]


def test_a_notice_that_cannot_be_made_kills_nothing() -> None:
    told: list[str] = []

    def make() -> httpx.Request:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        raise ValueError("no key")

    carry(App(), make=make)
    assert told == ["a webhook's delivery failed"] * 4


@pytest.mark.parametrize("terms", [TERMS, None])
def test_without_an_app_or_without_webhooks_nothing_is_sent(terms: WebhookTerms | None) -> None:
    app = App()
    carry(None if terms else app, terms)
    assert app.seen == []


def test_luck_hangs_on_the_call_and_not_on_the_calls_before() -> None:
    terms = replace(SPREAD, twice_share=0.3, late_share=0.3, lost_share=0.3)

    def seen(order: list[int]) -> dict[str, list[float]]:
        app = App()

        async def main() -> None:
            courier = Courier(VirtualClock(), Delays(1, "any"), terms, app, taken)
            for n in order:
                courier.send(key(n), "paid", AFTER_S, partial(notice, str(n)))
            await asyncio.sleep(1e4)

        run("virtual", main())
        numbers = {text for _, text in app.seen}
        return {name: sorted(t for t, text in app.seen if text == name) for name in numbers}

    there, back = seen(list(range(40))), seen(list(range(40))[::-1])
    assert there == back
    assert len(there) == 40


def test_a_loop_that_ends_early_takes_what_is_under_way_with_it() -> None:
    app = App([refused] * 99)

    async def main() -> int:
        courier = Courier(VirtualClock(), Delays(1, "any"), TERMS, app, taken)
        courier.send(key(), "paid", 0.0, notice)
        await asyncio.sleep(1.0)
        return courier.under_way

    assert run("virtual", main()) == 1
    assert app.times == [0.3]
