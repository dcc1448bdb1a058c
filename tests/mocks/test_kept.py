"""Books that outlive their process: cut anywhere, begun again, they are as they were then."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from harness.cli.casting import PAYERS
from harness.clock import VIRTUAL_DAY_S, RealClock, VirtualClock
from harness.faults import Fault
from harness.flow.payers import Payer, Payment, Refund, sessionless
from harness.flow.payers.stripe import Stripe
from harness.flow.wish import Wish
from harness.providers import alipay_ai
from harness.providers import stripe as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import ProviderFault
from harness.providers.stripe import events
from mocks import kept
from mocks.audit import accounts
from mocks.host import IN_PROCESS_URL, KEY, PAYMENTS, MockConfig
from mocks.kept import KeptClock, today
from mocks.kept_file import CannotKeep, Now
from mocks.profile import ModelProfile, PaymentProfile, load
from tests.mocks.keeping import Client, House, Story, begun_again, lived

LANES = sorted(PAYMENTS)
WISH = Wish(4580, "CNY", "noodles", "balance")
WEATHER: dict[Fault, float] = {
    "lost": 0.04, "timeouts": 0.04, "reset": 0.05, "duplicates": 0.1, "errors": 0.05,
    "rate-limits": 0.05, "revoked": 0.1, "notices-twice": 0.3,
}  # fmt: skip


def _config(*lanes: str, faults: dict[Fault, float] = WEATHER) -> MockConfig:
    pay = {lane: load(lane, PaymentProfile) for lane in lanes}
    models = {"gpt-4o": load("gpt-4o", ModelProfile)}
    return MockConfig(seed=3, pay=pay, models=models, faults=faults)


class _Day:
    """At one provider: each kind of call, some of them struck, none of them tried again."""

    def __init__(self, lane: str, orders: int = 4) -> None:
        self._lane, self._orders = lane, orders

    async def __call__(self, client: Client) -> None:
        inbox = client.house.inbox
        profile = load(self._lane, PaymentProfile)
        payer = PAYERS[profile.provider](client.at[self._lane], inbox, profile)
        await _met(payer.start(client.turn(0)))
        for n in range(self._orders):
            with suppress(ProviderFault):
                await self._order(payer, client, n)

    async def _order(self, payer: Payer, client: Client, n: int) -> None:
        flow = client.turn(n)
        wish = replace(WISH, payee="payee-blocked") if n == 3 else WISH
        payment = Payment(f"order-{n}", "ada", wish)
        session = await payer.open_session(flow, "ada", WISH.method)
        await _met(payer.authorize(flow, session, payment))
        await _met(payer.query(flow, session, payment))
        if n == 0:
            await _met(payer.refund(flow, session, payment, Refund("order-0-r", 80)))
        if n == 1:
            await _met(payer.void(flow, session, payment))
        if payer.has_sessions and n == 2:
            await _met(payer.refresh_session(flow, "ada", session))
        await flow.join()


async def _met(call: Awaitable[object]) -> None:
    """A fault is part of the weather."""
    with suppress(ProviderFault):
        await call


@pytest.mark.parametrize("lane", ["stripe", "wechat-ai"])
def test_mocks_that_were_killed_are_begun_again_as_they_were(lane: str, tmp_path: Path) -> None:
    config = _config(lane)
    house = lived(config, tmp_path / "books", _Day(lane, orders=2))
    for cut in (house.cuts[len(house.cuts) // 2], house.cuts[-1]):
        assert begun_again(config, cut).state == cut.state


@pytest.mark.thorough
@pytest.mark.parametrize("lane", LANES)
def test_they_are_so_wherever_they_were_killed(lane: str, tmp_path: Path) -> None:
    config = _config(lane)
    house = lived(config, tmp_path / "books", _Day(lane, orders=6))
    assert house.host.setting.struck
    assert len({cut.state for cut in house.cuts}) == len(house.cuts)  # or the test is blind
    for cut in house.cuts:
        assert begun_again(config, cut).state == cut.state
    assert accounts(begun_again(config, house.cuts[-1]).host) == accounts(house.host)


def test_a_log_that_broke_off_in_mid_call_is_that_of_the_call_before(tmp_path: Path) -> None:
    config = _config("flat")
    house = lived(config, tmp_path / "books", _Day("flat"))
    before, last = house.cuts[-2:]
    log = last.path.with_name(f"{last.path.name}-wal")
    log.write_bytes(log.read_bytes()[:-100])
    assert begun_again(config, last).state == before.state


def test_the_file_tells_every_movement_in_words(tmp_path: Path) -> None:
    house = lived(_config("stripe", faults={}), tmp_path / "books", _Day("stripe"))
    moved = house.host.payments["stripe"].ledger.movements
    with closing(sqlite3.connect(tmp_path / "books")) as sql:
        told = sql.execute("SELECT order_no, moved, amount_minor, currency FROM movements")
        held = [(of.order_no, of.moved, of.amount_minor, of.currency) for of in moved]
        assert list(told) == held != []
        first = next(sql.execute("SELECT time, world, provider FROM movements"))
        sums = sql.execute(
            "SELECT order_no, captured_minor, refunded_minor, owed_minor FROM orders"
        )
        (owed,) = house.host.payments["stripe"].ledger.settled_minor.values()
        told_of = {order_no: of for order_no, *of in sums}
    assert first == ("2026-11-23T00:00:00.000+00:00", "", "stripe")
    assert told_of["order-0"][:2] == [4580, 80]
    assert sum(of[2] for of in told_of.values()) == owed


def test_an_order_that_was_paid_before_is_paid_after_and_never_twice(tmp_path: Path) -> None:
    config = _config("stripe", faults={})
    payment = Payment("order-0", "ada", WISH)

    async def pay(client: Client) -> None:
        payer, flow = Stripe(client.at["stripe"]), client.turn(0)
        session = await payer.open_session(flow, "ada", WISH.method)
        settled = await payer.authorize(flow, session, payment)
        assert settled != "stale" and settled.outcome == "paid"

    async def later(client: Client) -> None:
        await client.turn(0).sleep(10.0)  # Until then the key is that of a call under way.
        await pay(client)

    before = lived(config, tmp_path / "books", pay)
    after = begun_again(config, before.cuts[-1], later)
    assert after.kept.calls == 2
    assert accounts(after.host) == accounts(before.host)


def test_a_client_that_names_no_draw_goes_on_in_the_same_weather(tmp_path: Path) -> None:
    config = _config("flat")

    async def chat(client: Client) -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
        at = f"{IN_PROCESS_URL}/openai/v1/chat/completions"
        client.house.decide_and_cut(httpx.Request("POST", at, headers=headers, json=body))

    async def twice(client: Client) -> None:
        await chat(client)
        await chat(client)

    begun = lived(config, tmp_path / "books", chat)
    once = begun_again(config, begun.cuts[0], chat)
    whole = lived(config, tmp_path / "whole", twice)
    assert _weather(once) == _weather(whole)
    assert len({*_weather(whole)}) == 2


def _weather(house: House) -> list[float]:
    return [call.injected_ms for call in house.host.setting.journal]


# Notices


def _telling(takes: int, wait_s: float) -> Story:
    """An order is paid, an app that takes so many notices is told of it, and a kill comes."""

    async def story(client: Client) -> None:
        client.house.inbox.takes = takes
        flow, at = client.turn(0), client.at["stripe"]
        wanted = wire.CreateEndpoint(url="http://app/hook", enabled_events=["*"])
        await flow.call("hook", wire.create_endpoint(at, wanted, "hook"))
        await Stripe(at).authorize(flow, sessionless("card"), Payment("order-0", "ada", WISH))
        await flow.sleep(wait_s)
        client.house.cut()

    return story


def _unwell(**terms: object) -> MockConfig:
    config = _config("stripe", faults={})
    webhook = config.pay["stripe"].webhook
    assert webhook is not None
    usual = {"twice_share": 0.0, "late_share": 0.0, "lost_share": 0.0, **terms}
    webhook = msgspec.structs.replace(webhook, **usual)
    pay = msgspec.structs.replace(config.pay["stripe"], webhook=webhook)
    return msgspec.structs.replace(config, pay={"stripe": pay})


def test_notices_that_were_taken_are_not_sent_again_and_the_others_are(tmp_path: Path) -> None:
    config = _unwell(p50_ms=2000.0, p99_ms=9000.0)
    whole = lived(config, tmp_path / "whole", _telling(1000, 0.0), after_s=1e4).inbox.came
    seen = set()
    for n in range(0, 8, 2):
        before = lived(config, tmp_path / f"books{n}", _telling(1000, n * 1.0))
        after = begun_again(config, before.cuts[-1], after_s=1e4)
        assert sorted(before.inbox.came + after.inbox.came) == sorted(whole)
        seen.add(len(after.inbox.came))
    assert len(seen) > 1  # some kills came between notices


def test_tries_that_were_made_are_not_made_again(tmp_path: Path) -> None:
    config = _unwell(retry_s=[10.0, 100.0])
    before = lived(config, tmp_path / "books", _telling(0, 60.0))
    after = begun_again(config, before.cuts[-1], after_s=1e4)
    notices = {*before.inbox.came}
    assert len(before.inbox.came) == 2 * len(notices) > 0
    assert sorted(after.inbox.came) == sorted(notices)


@pytest.mark.parametrize("takes", [0, 1000])
def test_a_notice_that_is_over_is_not_begun_again(
    takes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _unwell(retry_s=[10.0, 100.0])
    before = lived(config, tmp_path / "books", _telling(takes, 600.0))
    signed = _counted(monkeypatch)
    after = begun_again(config, before.cuts[-1], after_s=1e4)
    assert (signed, after.inbox.came) == ([], [])
    assert len(before.inbox.came) > 1


def test_between_notices_that_are_begun_again_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _unwell(retry_s=[100.0])
    before = lived(config, tmp_path / "books", _telling(0, 60.0))
    signed, seen = _counted(monkeypatch), [0]

    async def others(client: Client) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
            seen.append(len(signed))

    monkeypatch.setattr(kept, "TELL_S", -1.0)
    after = begun_again(config, before.cuts[-1], others)
    notices = len({*before.inbox.came})
    assert seen[-1] == notices > 1
    assert max(now - then for then, now in pairwise(seen)) == 1
    assert after.told[-1] == f"{after.path} is read: notice {notices} of {notices}"


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each notice that is signed from now on."""
    signed: list[object] = []
    sign = events.notice

    def notice(*args: Any) -> httpx.Request:
        signed.append(args)
        return sign(*args)

    monkeypatch.setattr(events, "notice", notice)
    return signed


def _by_code(then: Story) -> Story:
    """A buyer shows a payment code, enters a password a little later, and the app is told of it."""

    async def story(client: Client) -> None:
        flow, at = client.turn(0), client.at["alipay-ai"]
        biz = trade.Pay(
            out_trade_no="order-0", total_amount="2000.00", subject="tea", auth_code="28763443825"
        )
        when = trade.beijing(client.world.clock.unix_s())
        await flow.call("pay", alipay_ai.ask(at, biz, when, "http://app/hook"))
        await flow.sleep(120.0)
        client.house.cut()
        await then(client)

    return story


async def _ask_for_it(client: Client) -> None:
    flow, at = client.turn(1), client.at["alipay-ai"]
    when = trade.beijing(client.world.clock.unix_s())
    await flow.call("query", alipay_ai.ask(at, trade.Query(out_trade_no="order-0"), when))


async def _nothing(client: Client) -> None:
    pass


@pytest.mark.parametrize("then", [_nothing, _ask_for_it])
def test_what_a_notice_found_to_have_moved_is_told_at_once_and_once(
    then: Story, tmp_path: Path
) -> None:
    """No call moved it: after the next beginning it moves again, in these books and not in the
    file's."""
    config = _config("alipay-ai", faults={})
    before = lived(config, tmp_path / "books", _by_code(then))
    held = _orders(before.cuts[1].path)
    assert held == [("order-0", 200_000)]
    for cut in before.cuts[1:]:
        after = begun_again(config, cut, then, after_s=1e5)
        assert _orders(cut.path) == held
        again = begun_again(config, cut, after_s=1e5)
        assert _orders(cut.path) == held
        assert accounts(again.host) == accounts(after.host) == accounts(before.host)


def _orders(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as sql:
        return list(sql.execute("SELECT order_no, captured_minor FROM orders"))


# What ends it


def test_mocks_that_answer_otherwise_than_then_do_not_go_on(tmp_path: Path) -> None:
    config = _config("flat", faults={})
    house = lived(config, tmp_path / "books", _Day("flat", orders=1))
    dearer = msgspec.structs.replace(config.pay["flat"].fee, fixed_minor=31)
    other = msgspec.structs.replace(config.pay["flat"], fee=dearer)
    with pytest.raises(CannotKeep, match=r"call 1 of .*, POST /flat/.*, is answered otherwise"):
        begun_again(msgspec.structs.replace(config, pay={"flat": other}), house.cuts[-1])


def test_a_file_that_takes_no_more_ends_the_deciding_and_is_told_once(tmp_path: Path) -> None:
    config = _config("flat", faults={})

    async def story(client: Client) -> None:
        house = client.house
        await _Day("flat", orders=1)(client)
        house.file.close()
        answers = [house.kept.decide(_asked(n)) for n in range(2)]
        assert [answer.status for answer in answers] == [503, 503]
        assert b"the ledger takes no more" in answers[0].chunks[0]
        assert house.kept.decide(httpx.Request("GET", f"{IN_PROCESS_URL}/_health"))
        (told,) = house.told
        assert told.startswith(f"{house.path} takes no more (Cannot operate on a closed database")

    lived(config, tmp_path / "books", story)


def test_after_a_full_disk_it_goes_on_from_the_last_call_that_was_put_down(tmp_path: Path) -> None:
    config = _config("flat", faults={})

    async def until_full(client: Client) -> None:
        house = client.house
        (pages,) = house.file._sql.execute("PRAGMA page_count").fetchone()
        house.file._sql.execute(f"PRAGMA max_page_count = {pages}")
        full = next(n for n in range(1000) if house.decide(_asked(n)).status == 503)
        house.cut()
        assert house.decide_and_cut(_asked(0)).status == 503
        assert house.kept.calls == full + 1 > 10
        assert "database or disk is full" in house.told[0]

    before = lived(config, tmp_path / "books", until_full)
    after = begun_again(config, before.cuts[-1])
    assert after.kept.calls == before.kept.calls - 1
    assert [cut.state for cut in before.cuts] == [before.cuts[0].state] * 2


def test_while_another_program_writes_nothing_is_decided_and_then_nothing_is_lost(
    tmp_path: Path,
) -> None:
    config = _config("flat", faults={})

    async def story(client: Client) -> None:
        house = client.house
        with closing(sqlite3.connect(house.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = [house.decide(_asked(n)) for n in range(3)]
            assert [answer.status for answer in answers] == [503] * 3
            assert b"another program writes to the ledger" in answers[-1].chunks[0]
            assert house.kept.calls == 1  # which nobody was told of
        assert house.decide_and_cut(_asked(3)).status != 503
        assert house.kept.calls == 2
        (told,) = house.told
        assert told.startswith(f"another program writes to {house.path}, so calls are answered 503")

    before = lived(config, tmp_path / "books", story)
    after = begun_again(config, before.cuts[-1])
    assert (after.kept.calls, after.state) == (2, before.cuts[-1].state)


def test_how_far_the_asking_again_is_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config("flat", faults={})
    before = lived(config, tmp_path / "books", _Day("flat", orders=1))
    monkeypatch.setattr(kept, "TELL_S", -1.0)
    told = begun_again(config, before.cuts[-1]).told
    calls = before.kept.calls
    assert told[-1] == f"{before.cuts[-1].path} is read: call {calls} of {calls}"
    assert len(told) == calls


# Times


def test_pages_tell_the_times_of_the_real_clock(tmp_path: Path) -> None:
    """Of which that of the mocks lies an hour ahead, as after a restart of the machine."""
    config = _config("flat", faults={})

    async def story(client: Client) -> None:
        await client.turn(0).sleep(5.0)
        await _Day("flat", orders=1)(client)
        now, pages = VirtualClock().now(), {}
        for page in ("_books", "_spans", f"_spans?since={now - 1e-3}", "_spans?since=x"):
            answer = client.house.decide(httpx.Request("GET", f"{IN_PROCESS_URL}/{page}"))
            assert answer.headers["content-length"] == str(len(answer.chunks[0]))
            pages[page] = msgspec.json.decode(answer.chunks[0])
        (account,) = pages["_books"]
        assert account["movements"][0][0] == pytest.approx(5.0)
        spans = pages["_spans"]["spans"]
        assert spans[0]["arrived_s"] == pytest.approx(5.0)
        assert spans[0]["ended_s"] > spans[0]["arrived_s"] and spans[0]["status"] == 201
        assert pages["_spans"]["clock_s"] == pytest.approx(now)
        assert 0 < len(spans) > len(pages[f"_spans?since={now - 1e-3}"]["spans"])
        assert "since must be a time" in pages["_spans?since=x"]["error"]

    lived(config, tmp_path / "books", story, began=Now(3600.0, 3600.0))


def test_mocks_have_been_up_as_long_as_their_process(tmp_path: Path) -> None:
    config = _config("flat", faults={})

    async def story(client: Client) -> None:
        await client.turn(0).sleep(5.0)
        answer = client.house.decide(httpx.Request("GET", f"{IN_PROCESS_URL}/_health"))
        assert answer.headers["content-length"] == str(len(answer.chunks[0]))
        assert msgspec.json.decode(answer.chunks[0])["uptime_s"] == 5.0
        client.house.cut()

    before = lived(config, tmp_path / "books", story)
    begun_again(config, before.cuts[-1], story)


def test_the_mocks_clock_is_real_where_time_is_and_tells_the_time_of_day() -> None:
    clock = KeptClock(RealClock(), today(RealClock()))
    clock.go_on()
    assert clock.name == "real"
    assert abs(clock.unix_s() - time.time()) < 1.0
    clock.stand(86_400.0)
    assert clock.unix_s() == VIRTUAL_DAY_S + 86_400


def _asked(n: int) -> httpx.Request:
    return httpx.Request("GET", f"{IN_PROCESS_URL}/flat/v1/payments/{n}")
