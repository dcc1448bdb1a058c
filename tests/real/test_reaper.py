"""What a run has left open is ended, whatever it broke off in and whoever else is at it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from harness.flow.flow import Flow, World
from harness.flow.payers import Refund
from harness.flow.payers.prudent import Prudent
from harness.flow.payers.stripe import Stripe
from harness.real.caps import least_minor
from harness.real.reaper import ON_ITS_WAY_S, STILL, reap
from tests.real.mocked import Hosts
from tests.real.reaped import (
    NUMBER,
    PAYMENT,
    SESSION,
    Room,
    pay,
    story,
)
from tests.real.test_payers import PAYERS

pytestmark = pytest.mark.usefixtures("unsynced")

# However a run ended


@pytest.mark.parametrize("provider", PAYERS)
def test_after_a_run_nothing_is_open_and_a_second_time_nobody_is_asked(
    provider: str, tmp_path: Path
) -> None:
    async def main() -> None:
        room = Room(tmp_path, provider)
        await room.order()
        left = await room.reap()
        if provider == "unionpay":
            [only] = left
            assert "nobody can pay it, and it ends by itself at 2026-11-23T08:15:00+08:00" in (
                only.why
            )
            await room.clock.sleep_until(room.clock.now() + 901.0)
            assert await room.reap() == []
        assert (left == [] or provider == "unionpay", room.entry.state) == (True, "closed")
        assert [of.state for of in room.hosts.books if of.state in ("open", "paid")] == []
        assert await room.reap() == []
        assert room.hosts.sent == []

    story(main())


@pytest.mark.parametrize("provider", [name for name in PAYERS if name != "unionpay"])
def test_an_order_that_was_never_sent_is_not_there_but_only_after_a_while(
    provider: str, tmp_path: Path
) -> None:
    async def main() -> None:
        room = Room(tmp_path, provider)
        began = room.clock.now()
        await room.write()
        assert await room.reap() == []
        assert room.clock.now() - began >= ON_ITS_WAY_S
        assert (room.entry.how, room.hosts.books) == ("not there", [])

    story(main())


def test_an_order_that_is_not_there_long_after_it_was_sent_is_waited_for_no_more(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.write()
        await room.clock.sleep_until(ON_ITS_WAY_S)
        assert await room.reap() == []
        assert len(room.hosts.sent) == 1

    story(main())


def test_an_order_that_comes_late_is_given_back_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")

        async def come_late() -> None:
            await room.clock.sleep_until(20.0)
            # By the request that was on its way, under the very same key.
            other = Room(tmp_path / "other", "stripe")
            other.path.parent.mkdir()
            other.hosts = Hosts(room.hosts.host, "stripe")
            await other.order()

        await room.write(key=f"pay-{NUMBER}")
        late = asyncio.create_task(come_late())
        left = await room.reap()
        await late
        assert (left, room.entry.how) == ([], "refunded")
        assert [(of.state, of.refunded_minor) for of in room.hosts.books] == [("refunded", 400)]

    story(main())


# Where orders stand


@pytest.mark.parametrize("card", ["pm_card_chargeDeclined", "pm_card_authenticationRequired"])
def test_an_intent_that_was_not_paid_is_canceled(card: str, tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        journal = room.open()
        payer = Prudent(Stripe(room.found.endpoint, card), "trun1", least_minor("stripe"))
        world = World(room.clock, room.safe(journal), 1, 0, False)
        settled = await payer.authorize(Flow(world, 0, 0, 0.0, 0.0), SESSION, PAYMENT)
        assert settled != "stale" and settled.outcome == "declined"
        journal.close()
        assert await room.reap() == []
        assert (room.entry.state, room.entry.how) == ("closed", "closed")

    story(main())


def test_of_what_a_run_gave_back_in_part_only_the_rest_goes_back(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        journal = room.open()
        payer = Prudent(Stripe(room.found.endpoint), "trun1", least_minor("stripe"))
        world = World(room.clock, room.safe(journal), 1, 0, False)
        flow = Flow(world, 0, 0, 0.0, 0.0)
        await payer.authorize(flow, SESSION, PAYMENT)
        await payer.refund(flow, SESSION, PAYMENT, Refund("r1", 1000))
        journal.close()
        [book] = room.hosts.books
        assert 0 < book.refunded_minor < 400
        assert await room.reap() == []
        [sent] = [of for of in room.hosts.sent if of.method == "POST"]
        rest = httpx.QueryParams(sent.content.decode())["amount"]
        assert (int(rest) < 400, book.refunded_minor) == (True, 400)

    story(main())


@pytest.mark.parametrize("provider", ["alipay-ai", "alipay-v3", "wechatpay", "unionpay"])
def test_what_somebody_paid_after_all_is_given_back(provider: str, tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, provider)
        await pay(room)
        [book] = room.hosts.books
        assert book.state == "paid"
        assert await room.reap() == []
        assert (room.entry.how, book.state in ("refunded", "voided")) == ("refunded", True)
        assert await room.reap() == []

    story(main())


# Beside others


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        running = room.open()
        [left] = await room.reap()
        assert (left.order_no, left.why, room.hosts.sent) == (NUMBER, STILL, [])
        running.close()
        assert await room.reap() == []

    story(main())


def test_two_who_reap_at_once_do_it_once(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        both = await asyncio.gather(
            *(reap(room.open(), {"stripe": room.found}, room.hosts, room.clock) for _ in range(2))
        )
        assert sorted(len(left) for left in both) == [0, 1] or both == [[], []]
        assert [of.refunded_minor for of in room.hosts.books] == [400]

    story(main())
