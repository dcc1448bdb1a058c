"""Sealing keys and session tokens where calls for them fail, are cut off, or come at once."""

import asyncio

import pytest
from msgspec import structs

from harness.faults import Fault, Placed
from harness.flow.payers import Refund, Settlement
from harness.flow.payers.careful import Careful
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.retry import Retries
from harness.providers.call import ProviderFault, RateLimited, Unreachable
from tests.flow.payers.stand import PAYMENT, Stand, at_stand, other


def stages(stand: Stand, turn: int) -> list[str]:
    return [key.stage for key in stand.calls if key.turn == turn]


@pytest.mark.parametrize("fault", ["lost", "cut", "errors", "rate-limits"])
def test_a_key_that_could_not_be_fetched_is_fetched_by_whoever_needs_it_next(fault: Fault) -> None:
    async def story(stand: Stand) -> None:
        await stand.payer.start(stand.turn(0))
        assert stages(stand, 0) == ["key"]
        session = await stand.payer.open_session(stand.turn(1), PAYMENT.user, "balance")
        told = await stand.payer.authorize(stand.turn(1), session, PAYMENT)
        assert isinstance(told, Settlement)
        assert (told.outcome, stages(stand, 1)) == ("paid", ["session", "key", "pay"])

    at_stand("wechat-ai", story, [Placed(0, "key", fault)])


@pytest.mark.parametrize("lasts", [2, 9])
def test_an_app_asks_for_its_key_as_often_as_for_anything_and_starts_without_it(
    lasts: int,
) -> None:
    async def story(stand: Stand) -> None:
        flow, careful = stand.turn(0), Careful(stand.payer)
        flow.world.retries = Retries(most=2)
        await careful.start(flow)
        assert stages(stand, 0) == ["key"] * 3
        session = await careful.open_session(stand.turn(1), PAYMENT.user, "balance")
        await careful.authorize(stand.turn(1), session, PAYMENT)
        needed = ["key"] * (lasts > 2)
        assert stages(stand, 1) == ["session", *needed, "pay"]

    at_stand("wechat-ai", story, [Placed(0, "key", "lost", lasts=lasts)])


def test_where_nothing_is_to_go_wrong_a_provider_that_is_not_there_is_told_at_the_start() -> None:
    async def story(stand: Stand) -> None:
        flow = stand.turn(0)
        flow.world.faults = None
        with pytest.raises(Unreachable):
            await stand.payer.start(flow)

    at_stand("wechat-ai", story, [Placed(0, "key", "lost")])


def test_an_app_that_is_refused_its_key_does_not_start() -> None:
    async def story(stand: Stand) -> None:
        stand.mangled[0, "key", 1] = lambda answer: structs.replace(answer, status=401)
        with pytest.raises(ProviderFault):
            await stand.payer.start(stand.turn(0))

    at_stand("wechat-ai", story)


@pytest.mark.parametrize("begun", [False, True])
def test_a_fetch_that_is_cut_off_with_its_turn_ends_no_other_turn(begun: bool) -> None:
    async def story(stand: Stand) -> None:
        session = await stand.payer.open_session(stand.turn(9), PAYMENT.user, "balance")
        first, second = stand.turn(0), stand.turn(1)
        cut = first.fork(stand.payer.authorize(first, session, PAYMENT))
        await asyncio.sleep(0)  # It has begun to wait for the key,
        if begun:
            await asyncio.sleep(0)  # and the key is asked for.
        waits = asyncio.create_task(stand.payer.authorize(second, session, other(1)))
        await asyncio.sleep(0)
        await first.cut()
        assert cut.cancelled()
        told = await waits
        assert isinstance(told, Settlement)
        assert (told.outcome, stages(stand, 1)) == ("paid", ["key", "pay"])

    at_stand("wechat-ai", story)


def test_who_is_cancelled_while_waiting_for_the_key_takes_it_from_nobody_else() -> None:
    async def story(stand: Stand) -> None:
        session = await stand.payer.open_session(stand.turn(9), PAYMENT.user, "balance")
        first, second = stand.turn(0), stand.turn(1)
        impatient = asyncio.create_task(stand.payer.authorize(first, session, PAYMENT))
        await asyncio.sleep(0)
        waits = asyncio.create_task(stand.payer.authorize(second, session, other(1)))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        told = await waits
        assert isinstance(told, Settlement)
        assert (told.outcome, stages(stand, 0), stages(stand, 1)) == ("paid", ["key"], ["pay"])

    at_stand("wechat-ai", story)


def test_after_a_rotation_all_who_sealed_with_the_old_key_wait_for_one_fetch() -> None:
    async def story(stand: Stand) -> None:
        await stand.payer.start(stand.turn(9))
        session = await stand.payer.open_session(stand.turn(9), PAYMENT.user, "balance")
        turns = [stand.turn(n) for n in range(3)]
        told = await asyncio.gather(
            *(stand.payer.authorize(turn, session, other(turn.turn)) for turn in turns)
        )
        assert [one.outcome for one in told if isinstance(one, Settlement)] == ["paid"] * 3
        assert sorted(key.stage for key in stand.calls if key.turn < 9) == ["key"] + ["pay"] * 6

    rotated: Fault = "rotations"
    at_stand("wechat-ai", story, [Placed(turn, "pay", rotated) for turn in range(3)])


def test_a_key_that_is_retired_again_and_again_ends_the_payment_and_not_the_run() -> None:
    async def story(stand: Stand) -> None:
        session = await stand.payer.open_session(stand.turn(9), PAYMENT.user, "balance")
        with pytest.raises(ProviderFault, match="KEY_RETIRED"):
            await stand.payer.authorize(stand.turn(0), session, PAYMENT)
        assert stages(stand, 0) == ["key", "pay", "key", "pay"]
        told = await stand.payer.authorize(stand.turn(1), session, PAYMENT)
        assert isinstance(told, Settlement)
        assert told.outcome == "paid"

    at_stand("wechat-ai", story, [Placed(0, "pay", "rotations", 1, lasts=9)])


@pytest.mark.parametrize("fault", ["lost", "timeouts", "reset", "cut", "errors"])
def test_a_refresh_token_is_sent_once_whatever_became_of_the_answer(fault: Fault) -> None:
    async def story(stand: Stand) -> None:
        old = await stand.payer.open_session(stand.turn(0), PAYMENT.user, "balance")
        with pytest.raises(ProviderFault):
            await stand.payer.refresh_session(stand.turn(1), PAYMENT.user, old)
        new = await stand.payer.refresh_session(stand.turn(2), PAYMENT.user, old)
        assert (stages(stand, 2), new.method) == (["session"], "balance")
        sent = [r.content for r in stand.requests if r.url.path.endswith("/oauth/refresh")]
        assert len(sent) == 1

    at_stand("wechat-ai", story, [Placed(1, "refresh", fault)])


def test_a_refresh_that_was_turned_away_is_sent_again() -> None:
    async def story(stand: Stand) -> None:
        old = await stand.payer.open_session(stand.turn(0), PAYMENT.user, "balance")
        with pytest.raises(RateLimited):
            await stand.payer.refresh_session(stand.turn(1), PAYMENT.user, old)
        await stand.payer.refresh_session(stand.turn(2), PAYMENT.user, old)
        assert stages(stand, 2) == ["refresh"]

    at_stand("wechat-ai", story, [Placed(1, "refresh", "rate-limits")])


def test_only_the_newest_spent_tokens_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.flow.payers.wechat_ai.KEPT_SPENT", 2)

    async def story(stand: Stand) -> None:
        session = await stand.payer.open_session(stand.turn(0), PAYMENT.user, "balance")
        for turn in range(1, 5):
            session = await stand.payer.refresh_session(stand.turn(turn), PAYMENT.user, session)
        assert isinstance(stand.payer, WechatAi)
        assert len(stand.payer._spent) == 2

    at_stand("wechat-ai", story)


def test_a_key_in_use_is_a_first_try_still_under_way_and_no_refusal() -> None:
    async def story(stand: Stand) -> None:
        session = await stand.payer.open_session(stand.turn(0), PAYMENT.user, "balance")
        both = await asyncio.gather(
            *(stand.payer.authorize(stand.turn(n), session, PAYMENT) for n in (1, 2)),
            return_exceptions=True,
        )
        assert isinstance(both[0], Settlement)
        assert repr(both[1]) == "Overloaded('payment refused: key-in-use')"
        again = [await stand.payer.authorize(stand.turn(n), session, PAYMENT) for n in (3, 4)]
        assert again == [both[0]] * 2
        part = Refund("r1c2-0-r1", 1)
        both = await asyncio.gather(
            *(stand.payer.refund(stand.turn(n), session, PAYMENT, part) for n in (5, 6)),
            return_exceptions=True,
        )
        assert repr(both[1]) == "Overloaded('refund refused: key-in-use')"
        assert stand.ledger.settled_minor["CNY"] == 5000 - 1 - 25

    at_stand("unionpay-ai", story)
