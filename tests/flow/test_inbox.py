"""The app's inbox: each event once, no forgery, and news waits for who asks for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import NOTIFY, Flow, World
from harness.flow.inbox import Inbox, Notice
from harness.record import Outcome

T = TypeVar("T")


def receive(request: httpx.Request) -> tuple[Notice | None, httpx.Response]:
    """A wire of its own: "event order", and all else is forged."""
    words = request.content.decode().split()
    if len(words) != 2:
        return None, httpx.Response(400)
    return Notice(words[0], words[1], "paid"), httpx.Response(204)


def inbox() -> Inbox:
    made = Inbox("http://app/notices")
    assert made.register("bank", receive) == "http://app/notices/bank"
    return made


async def deliver(to: Inbox, text: str, provider: str = "bank") -> int:
    request = httpx.Request("POST", f"http://app/notices/{provider}", content=text)
    return (await to(request)).status_code


def virtually(main: Coroutine[Any, Any, T]) -> T:
    return run("virtual", main)


def test_a_notice_that_came_before_anybody_asked_is_kept() -> None:
    async def main() -> None:
        app = inbox()
        assert await deliver(app, "e-1 o-1") == 204
        assert await app.next("o-1") == Notice("e-1", "o-1", "paid")

    virtually(main())


def test_who_waits_is_told_at_once_and_nobody_else_is() -> None:
    async def main() -> None:
        app = inbox()
        waits = asyncio.create_task(app.next("o-1"))
        other = asyncio.create_task(app.next("o-2"))
        await asyncio.sleep(1.0)
        await deliver(app, "e-1 o-1")
        assert (await waits).event_id == "e-1"
        await asyncio.sleep(1.0)
        assert not other.done()
        other.cancel()

    virtually(main())


def test_an_event_is_told_once_and_acknowledged_every_time() -> None:
    async def main() -> None:
        app = inbox()
        assert [await deliver(app, "e-1 o-1") for _ in range(3)] == [204] * 3
        assert (await app.next("o-1")).event_id == "e-1"
        await deliver(app, "e-1 o-1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await app.next("o-1")
        assert (app.repeated, app.forged) == (3, 0)

    virtually(main())


def test_two_events_of_one_order_are_told_in_the_order_of_their_coming() -> None:
    async def main() -> None:
        app = inbox()
        for event in ("e-2", "e-1", "e-2"):
            await deliver(app, f"{event} o-1")
        assert [(await app.next("o-1")).event_id for _ in range(2)] == ["e-2", "e-1"]

    virtually(main())


def test_a_forged_notice_is_counted_and_changes_nothing() -> None:
    async def main() -> None:
        app = inbox()
        assert await deliver(app, "forged") == 400
        await deliver(app, "e-1 o-1")
        assert (await app.next("o-1")).event_id == "e-1"
        assert (app.forged, app.repeated) == (1, 0)

    virtually(main())


@pytest.mark.parametrize("provider", ["other", "", "bank/"])
def test_nobody_takes_in_what_no_payer_expects(provider: str) -> None:
    async def main() -> None:
        app = inbox()
        assert await deliver(app, "e-1 o-1", provider) == 404
        assert (app.forged, app.repeated) == (0, 0)

    virtually(main())


def test_providers_share_an_inbox() -> None:
    async def main() -> None:
        app = inbox()
        assert app.register("shop", receive) == "http://app/notices/shop"
        assert await deliver(app, "e-1 o-1", "shop") == 204
        assert (await app.next("o-1")).event_id == "e-1"

    virtually(main())


def test_two_payers_of_one_provider_have_an_address_each() -> None:
    async def main() -> None:
        app = inbox()
        assert app.register("bank", lambda _: (None, httpx.Response(418))) == (
            "http://app/notices/bank-2"
        )
        assert await deliver(app, "e-1 o-1") == 204
        assert await deliver(app, "e-2 o-1", "bank-2") == 418

    virtually(main())


def test_a_wait_that_was_given_up_loses_no_news() -> None:
    async def main() -> None:
        app = inbox()
        for patience_s in (1.0, 2.0):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await app.next("o-1")
        await deliver(app, "e-1 o-1")
        assert (await app.next("o-1")).event_id == "e-1"

    virtually(main())


def test_several_may_wait_for_one_order_and_each_gets_a_notice_of_its_own() -> None:
    async def main() -> None:
        app = inbox()
        waits = [asyncio.create_task(app.next("o-1")) for _ in range(3)]
        await asyncio.sleep(1.0)
        waits[0].cancel()
        for event in ("e-1", "e-2"):
            await deliver(app, f"{event} o-1")
        got = {(await wait).event_id for wait in waits[1:]}
        assert got == {"e-1", "e-2"}

    virtually(main())


def test_nothing_is_kept_of_an_order_whose_news_was_told() -> None:
    async def main() -> None:
        app = inbox()
        for n in range(100):
            await deliver(app, f"e-{n} o-{n}")
            await app.next(f"o-{n}")
        assert (len(app._news), len(app._waiting)) == (0, 0)

    virtually(main())


def test_only_so_much_is_kept_however_long_the_app_runs() -> None:
    async def main() -> None:
        app = Inbox("http://app/notices", kept=3, kept_unread=2)
        app.register("bank", lambda request: heeds(request.content.decode()))
        waits = asyncio.create_task(app.next("first"))
        await asyncio.sleep(1.0)
        for n in range(9):
            await deliver(app, f"{n} o-{n} refunded")
        assert set(app._news) == {"o-7", "o-8", "first"}
        assert (len(app._seen._names), len(app._back._names)) == (3, 3)
        for n in (6, 7, 8):
            await deliver(app, f"{n} o-{n} refunded")
        assert app.repeated == 3
        await deliver(app, "9 first paid")
        assert (await waits).event_id == "9"  # Whoever waits is told, however much came before.
        assert "first" not in app._news

    virtually(main())


# Money that is back stays back


def heeds(text: str) -> tuple[Notice | None, httpx.Response]:
    event, order_no, outcome = text.split()
    known: dict[str, Outcome] = {"paid": "paid", "refunded": "refunded", "reversed": "reversed"}
    return Notice(event, order_no, known[outcome]), httpx.Response(204)


@pytest.mark.parametrize(
    ("came", "told", "outdated"),
    [
        (["1 o paid", "2 o refunded"], ["2"], 1),
        (["2 o refunded", "1 o paid"], ["2"], 1),
        (["2 o reversed", "1 o paid", "1 o paid"], ["2"], 1),
        (["2 o refunded", "1 o paid", "3 o refunded"], ["2", "3"], 1),
        (["1 o paid", "2 o refunded", "3 o refunded"], ["2", "3"], 1),
        (["2 o refunded", "1 p paid"], ["2"], 0),
        (["1 o paid", "2 o paid"], ["1", "2"], 0),
    ],
)
def test_what_was_so_before_the_money_went_back_is_acknowledged_and_told_nobody(
    came: list[str], told: list[str], outdated: int
) -> None:
    async def main() -> None:
        app = Inbox("http://app/notices")
        app.register("bank", lambda request: heeds(request.content.decode()))
        assert [await deliver(app, text) for text in came] == [204] * len(came)
        assert [(await app.next("o")).event_id for _ in told] == told
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await app.next("o")
        assert app.outdated == outdated

    virtually(main())


def test_news_that_was_told_before_the_money_went_back_is_not_told_again() -> None:
    async def main() -> None:
        app = Inbox("http://app/notices")
        app.register("bank", lambda request: heeds(request.content.decode()))
        await deliver(app, "1 o paid")
        assert (await app.next("o")).outcome == "paid"
        for text in ("2 o refunded", "1 o paid", "3 o paid"):
            await deliver(app, text)
        assert (await app.next("o")).outcome == "refunded"
        assert (app.repeated, app.outdated, app._news) == (1, 1, {})

    virtually(main())


# Seen from a flow


def flow_at(app: Inbox, clock: VirtualClock) -> Flow:
    transport = httpx.MockTransport(app)
    world = World(clock, transport, seed=1, round=0, mocked=True, inbox=app)
    return Flow(world, 0, 0, clock.now(), clock.now())


@pytest.mark.parametrize(("comes_s", "waits_s"), [(-1.0, 0.0), (0.0, 0.0), (1.25, 1.25)])
def test_a_flow_waits_for_the_notice_and_records_the_wait(comes_s: float, waits_s: float) -> None:
    async def main() -> None:
        app, clock = inbox(), VirtualClock()

        async def come() -> None:
            await asyncio.sleep(10.0 + comes_s)
            await deliver(app, "e-1 o-1")

        coming = asyncio.create_task(come())
        await asyncio.sleep(10.0)
        flow = flow_at(app, clock)
        notice = await flow.notice("bank", "o-1")
        assert notice is not None
        (span,) = flow.spans
        assert (span.stage, span.provider, span.status, span.attempt) == (NOTIFY, "bank", 200, 1)
        assert span.end - span.start == pytest.approx(waits_s, abs=1e-6)
        await coming

    virtually(main())


def test_a_flow_gives_up_a_notice_that_does_not_come_and_says_so() -> None:
    async def main() -> None:
        flow = flow_at(inbox(), VirtualClock())
        assert await flow.notice("bank", "o-1", patience_s=3.0) is None
        (span,) = flow.spans
        assert span.status == 0
        assert span.end - span.start == pytest.approx(3.0, abs=1e-6)

    virtually(main())
