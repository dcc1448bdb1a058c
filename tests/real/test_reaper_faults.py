"""Reaping a provider that does not answer as it should, and telling what is open after all."""

import asyncio
import contextlib
import errno
import os
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.clock import VIRTUAL_DAY_S
from harness.flow.flow import Flow, World
from harness.flow.payers import Payment
from harness.flow.payers.prudent import Prudent
from harness.flow.payers.stripe import Stripe
from harness.providers.call import Endpoint
from harness.real.caps import least_minor
from harness.real.credentials import Found
from harness.real.journal import made_by
from harness.real.reaper import ON_ITS_WAY_S, Left, meter_of_reaping, reap
from tests.real.reaped import (
    NUMBER,
    PAYMENT,
    SESSION,
    Deadly,
    Killed,
    Meddled,
    Room,
    pay,
    story,
)

pytestmark = pytest.mark.usefixtures("unsynced")


def test_a_provider_that_is_down_is_tried_again_at_steady_times_and_told_of(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        down = Meddled(room.hosts, lambda _: httpx.Response(503))
        room.inner = down
        began = room.clock.now()
        [left] = await room.reap()
        assert [round(at - began) for at in down.times] == [0, 1, 3, 7, 15, 31]
        assert left == Left("stripe", NUMBER, "Overloaded 503")
        assert room.entry.state == "created"
        room.inner = room.hosts
        assert await room.reap() == []

    story(main())


def test_a_key_that_is_not_taken_is_told_of_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        room.inner = shut = Meddled(room.hosts, lambda _: httpx.Response(401, json={}))
        [left] = await room.reap()
        assert (len(shut.times), left.why) == (1, "Unauthorized 401")
        assert room.found.endpoint.key not in repr(left)

    story(main())


def test_an_answer_of_live_mode_stops_it(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        live = Meddled(room.hosts, lambda _: httpx.Response(200, json={"livemode": True}))
        room.inner = live
        [left] = await room.reap()
        assert (len(live.times), "live mode" in left.why) == (1, True)

    story(main())


def test_a_refund_that_was_taken_on_and_did_not_go_through_is_open_still(tmp_path: Path) -> None:
    """UnionPay says first that it will see to it, and only later how it went."""

    async def main() -> None:
        room = Room(tmp_path, "unionpay")
        await pay(room)
        backs: list[httpx.Request] = []

        def no_more_answers(request: httpx.Request) -> httpx.Response | None:
            if backs:
                return httpx.Response(500)
            if request.url.path.endswith("backTransReq.do"):
                backs.append(request)
            return None

        room.inner = Meddled(room.hosts, no_more_answers)
        [left] = await room.reap()
        assert (left.why, room.entry.state) == ("Overloaded 500", "created")
        room.inner = room.hosts
        assert await room.reap() == []

    story(main())


def test_who_answers_nobody_is_given_up_however_many_orders_are_open(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "wechatpay")
        for n in range(30):
            await room.write(order_no=f"{NUMBER}{n}")
        dark = Meddled(room.hosts, lambda _: None)

        async def silence(request: httpx.Request) -> httpx.Response:
            dark.times.append(room.clock.now())
            await asyncio.sleep(1000.0)
            raise AssertionError("nobody waits for so long")

        dark.handle_async_request = silence  # type: ignore[method-assign]
        room.inner = dark
        began = room.clock.now()
        assert len(await room.reap()) == 30
        assert (len(dark.times), room.clock.now() - began < 150.0) == (10, True)

    story(main())


@pytest.mark.parametrize("arrives", [True, False])
def test_what_ends_and_cannot_be_noted_is_open_still(
    arrives: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def main() -> None:
        room = Room(tmp_path, "alipay-v3")
        if arrives:
            with contextlib.suppress(Killed):
                await room.order(Deadly(room.hosts, 1, arrives=True))
        else:
            await room.write()
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            [left] = await room.reap()
        assert "No space left on device" in left.why
        assert room.entry.state == "intended"
        assert await room.reap() == []

    story(main())


def test_those_who_reap_one_after_another_share_the_rate(tmp_path: Path) -> None:
    async def main() -> None:
        rooms = [Room(tmp_path, "stripe") for _ in range(6)]
        for n, room in enumerate(rooms):
            room.path = tmp_path / f"{n}.jsonl"
            await room.write()
        await rooms[0].clock.sleep_until(ON_ITS_WAY_S)
        inner, meter = Meddled(rooms[0].hosts, lambda _: listed("other")), meter_of_reaping()
        for room in rooms:
            journal = room.open()
            assert await reap(journal, {"stripe": room.found}, inner, room.clock, meter) == []
            journal.close()
        assert (len(inner.times), inner.times[5] - inner.times[0] >= 1.0) == (6, True)

    story(main())


def test_money_that_is_on_its_way_back_already_is_asked_after(tmp_path: Path) -> None:
    class Twice(Meddled):
        """Its second answer tells that nothing moved."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/trade/refund"):
                await self.hosts.handle_async_request(request)
            return await self.hosts.handle_async_request(request)

    async def main() -> None:
        room = Room(tmp_path, "alipay-v3")
        await pay(room)
        room.inner = Twice(room.hosts, lambda _: None)
        assert await room.reap() == []
        assert room.hosts.sent[-1].url.path == "/v3/alipay/trade/fastpay/refund/query"
        assert room.entry.how == "refunded"

    story(main())


def test_a_refusal_is_told_by_its_name_and_nothing_else_of_it(tmp_path: Path) -> None:
    error = {"type": "invalid_request_error", "code": "\x1b[2J sk_test_51b7Xk2mQ9vR4tZ1nW8c"}

    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.order()
        refuses = httpx.Response(400, json={"error": error})
        room.inner = Meddled(room.hosts, lambda of: refuses if of.method == "POST" else None)
        [left] = await room.reap()
        assert left.why.startswith("it is paid, and cannot be given back (")
        assert left.why.isprintable() and "mQ9v" not in left.why

    story(main())


def test_nobody_is_asked_for_whom_there_are_no_credentials(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "wechatpay")
        await room.write()
        journal = room.open()
        [left] = await reap(journal, {}, room.hosts, room.clock)
        assert (left.provider, room.hosts.sent) == ("wechatpay", [])
        assert "credentials" in left.why

    story(main())


def test_many_orders_are_ended_within_the_rate(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        journal = room.open()
        payer = Prudent(Stripe(room.found.endpoint), "trun1", least_minor("stripe"))
        world = World(room.clock, room.safe(journal), 1, 0, False)
        for n in range(12):
            payment = Payment(f"r1c{n}-0", "ada", PAYMENT.wish)
            await payer.authorize(Flow(world, n, 0, 0.0, 0.0), SESSION, payment)
        journal.close()
        began = room.clock.now()
        assert await room.reap() == []
        # A look and a refund each, five a second.
        assert len(room.hosts.sent) == 24
        assert 24 / 5 - 1 <= room.clock.now() - began < 8.0
        assert {of.state for of in room.hosts.books} == {"refunded"}

    story(main())


# What is looked for in a list


def listed(*numbers: str, created: float = VIRTUAL_DAY_S, more: bool = False) -> httpx.Response:
    data = [
        {
            "id": f"pi_{number}", "object": "payment_intent", "livemode": False, "amount": 400,
            "currency": "cny", "status": "requires_action", "created": int(created),
            "metadata": {"order_no": number},
        }
        for number in numbers
    ]  # fmt: skip
    return httpx.Response(200, json={"object": "list", "data": data, "has_more": more})


def test_a_list_is_read_on_until_the_order_is_found(tmp_path: Path) -> None:
    pages = {"": listed("other", more=True), "pi_other": listed(NUMBER, more=True),
             f"pi_{NUMBER}": listed("old", created=VIRTUAL_DAY_S - 7200.0, more=True)}  # fmt: skip
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/v1/payment_intents":
            return pages[request.url.params.get("starting_after", "")]
        [intent] = msgspec.json.decode(listed(NUMBER).content)["data"]
        status = "canceled" if request.method == "POST" else intent["status"]
        return httpx.Response(200, json={**intent, "status": status})

    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.write()
        room.inner = Meddled(room.hosts, answer)
        assert await room.reap() == []
        assert (room.entry.id, room.entry.how) == (f"pi_{NUMBER}", "closed")
        one = f"/v1/payment_intents/pi_{NUMBER}"
        assert asked == ["GET /v1/payment_intents"] * 3 + [f"GET {one}", f"POST {one}/cancel"]

    story(main())


def test_a_list_that_has_no_end_says_nothing_of_what_is_not_in_it(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path, "stripe")
        await room.write()
        await room.clock.sleep_until(ON_ITS_WAY_S)
        endless = Meddled(room.hosts, lambda _: listed("other", more=True))
        room.inner = endless
        [left] = await room.reap()
        assert left.why == "the account has too many newer intents"
        assert room.entry.state == "intended"

    story(main())


def test_who_made_an_order_is_noted_without_a_letter_of_a_key() -> None:
    def key(text: str) -> Found:
        return Found("stripe", "sandbox", Endpoint("https://api.stripe.com", text), ())

    account = "51H8xJ2eZvKYlo2C"
    one, other = (key(f"sk_test_{account}{rest}") for rest in ("aaaaaaaa", "bbbbbbbb"))
    assert made_by(one) == made_by(other)
    assert made_by(one) != made_by(key("sk_test_51ZZZZZZZZZZZZZZaaaaaaaa"))
    assert account[2:8] not in made_by(one)
