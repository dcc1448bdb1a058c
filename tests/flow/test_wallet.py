"""The wallet against a payer that only counts: when it opens, keeps and refreshes sessions."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wallet import Wallet
from harness.providers.call import Overloaded
from harness.record import Outcome
from tests.worlds import ALL_THREE, BASELINE, PREWARM, TOKEN_CACHE, USUAL

OPENING_S = 1.0
LIFETIME_S = 100.0


@dataclass
class Payer:
    """Opens and refreshes sessions and notes for which methods. Those in `failing`, by their
    number among both, are faults."""

    failing: set[int] = field(default_factory=set)
    good_end: Outcome = "paid"
    has_sessions: bool = True
    opened: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    """The tokens of the sessions that were to be refreshed."""

    async def start(self, flow: Flow) -> None: ...

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        if not self.has_sessions:
            return sessionless(method)
        self.opened.append(method)
        return await self._session(flow, method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        self.refreshed.append(session.token)
        return await self._session(flow, session.method)

    async def _session(self, flow: Flow, method: str) -> Session:
        number = len(self.opened) + len(self.refreshed)
        await asyncio.sleep(OPENING_S)
        if number in self.failing:
            raise Overloaded("503")
        return Session(f"token-{number}", method, flow.now() + LIFETIME_S)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        raise NotImplementedError

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        raise NotImplementedError

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        raise NotImplementedError

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        raise NotImplementedError


Story = Callable[[Wallet, Payer, Flow], Coroutine[Any, Any, None]]


def _play(strategy: Strategy, story: Story, payer: Payer | None = None) -> None:
    async def main() -> None:
        flow, bank = _flow(), payer or Payer()
        await story(Wallet(bank, strategy, "alice", USUAL), bank, flow)
        await flow.join()

    run("virtual", main())


def _flow() -> Flow:
    def nowhere(request: httpx.Request) -> httpx.Response:
        raise AssertionError("a wallet makes no calls of its own")

    clock = VirtualClock()
    world = World(clock, httpx.MockTransport(nowhere), seed=1, round=0, mocked=True)
    return Flow(world, 0, 0, clock.now(), clock.now())


def test_all_who_need_a_session_at_once_share_one_opening() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        others = [_flow(), _flow()]
        sessions = await asyncio.gather(*(wallet.session(one, "card") for one in (flow, *others)))
        assert payer.opened == ["card"]
        assert {session.token for session in sessions} == {"token-1"}
        assert flow.now() == OPENING_S

    _play(BASELINE, story)


def test_who_comes_while_a_session_is_being_warmed_waits_for_that_one() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        wallet.warm(flow)
        await flow.sleep(OPENING_S / 4)
        session = await wallet.session(flow, USUAL)
        assert (session.token, flow.now(), payer.opened) == ("token-1", OPENING_S, [USUAL])

    _play(PREWARM, story)


def test_two_methods_are_opened_side_by_side() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        both = await asyncio.gather(wallet.session(flow, "card"), wallet.session(_flow(), USUAL))
        assert [session.method for session in both] == ["card", USUAL]
        assert flow.now() == OPENING_S

    _play(BASELINE, story)


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_a_session_is_kept_for_the_turn_and_beyond_it_only_by_the_cache(
    strategy: Strategy,
) -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        first = await wallet.session(flow, USUAL)
        assert await wallet.session(flow, USUAL) is first
        wallet.settle(flow)
        again = await wallet.session(flow, USUAL)
        assert (again is first) == strategy.token_cache

    _play(strategy, story)


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_only_prewarming_opens_anything_ahead(strategy: Strategy) -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        wallet.warm(flow)
        await flow.sleep(10 * OPENING_S)
        assert payer.opened == [USUAL] * strategy.prewarm
        wallet.settle(flow)
        assert flow.wasted_prewarms == strategy.prewarm

    _play(strategy, story)


@pytest.mark.parametrize("age_s", [0.0, LIFETIME_S - 1e-6, LIFETIME_S, LIFETIME_S + 1])
def test_a_kept_session_is_given_out_until_the_moment_it_expires(age_s: float) -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        await flow.sleep(age_s)
        wallet.warm(flow)
        await wallet.session(flow, USUAL)
        assert payer.opened == [USUAL]
        assert payer.refreshed == ([] if age_s < LIFETIME_S else ["token-1"])

    _play(Strategy(prewarm=True, token_cache=True), story)


def test_a_session_that_ran_out_is_refreshed_once_for_all_who_need_it() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        await flow.sleep(LIFETIME_S)
        given = await asyncio.gather(*(wallet.session(_flow(), USUAL) for _ in range(3)))
        assert {session.token for session in given} == {"token-2"}
        assert (payer.opened, payer.refreshed) == ([USUAL], ["token-1"])

    _play(TOKEN_CACHE, story)


def test_prewarming_refreshes_a_kept_session_that_ran_out() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        wallet.settle(flow)
        await flow.sleep(LIFETIME_S)
        wallet.warm(flow)
        await flow.sleep(OPENING_S)
        assert payer.refreshed == ["token-1"]
        assert (await wallet.session(flow, USUAL)).token == "token-2"
        assert (payer.opened, payer.refreshed) == ([USUAL], ["token-1"])

    _play(ALL_THREE, story)


def test_what_no_cache_kept_is_not_refreshed() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        wallet.settle(flow)
        await flow.sleep(LIFETIME_S)
        await wallet.session(flow, USUAL)
        assert (payer.opened, payer.refreshed) == ([USUAL, USUAL], [])

    _play(BASELINE, story)


def test_a_session_is_never_refreshed_for_another_method() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        await flow.sleep(LIFETIME_S)
        assert (await wallet.session(flow, "card")).method == "card"
        assert (await wallet.session(flow, USUAL)).method == USUAL
        assert (payer.opened, payer.refreshed) == ([USUAL, "card", USUAL], [])

    _play(TOKEN_CACHE, story)


def test_a_session_is_not_refreshed_for_the_method_that_the_user_turned_to_in_vain() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        usual, card = await asyncio.gather(
            wallet.session(flow, USUAL), wallet.session(_flow(), "card"), return_exceptions=True
        )
        assert isinstance(usual, Session)
        assert isinstance(card, Overloaded)
        wallet.warm(flow)
        assert (await wallet.session(flow, "card")).method == "card"
        assert (payer.opened, payer.refreshed) == ([USUAL, "card", "card"], [])

    _play(ALL_THREE, story, Payer(failing={2}))


def test_a_refresh_that_fails_when_needed_is_a_fault_and_the_next_session_is_opened_afresh() -> (
    None
):
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        await flow.sleep(LIFETIME_S)
        with pytest.raises(Overloaded):
            await wallet.session(flow, USUAL)
        assert (await wallet.session(flow, USUAL)).token == "token-3"
        assert (payer.opened, payer.refreshed) == ([USUAL, USUAL], ["token-1"])

    _play(TOKEN_CACHE, story, Payer(failing={2}))


def test_a_refresh_that_failed_ahead_is_followed_by_an_opening() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        wallet.settle(flow)
        await flow.sleep(LIFETIME_S)
        wallet.warm(flow)
        assert (await wallet.session(flow, USUAL)).token == "token-3"
        assert (payer.opened, payer.refreshed) == ([USUAL, USUAL], ["token-1"])

    _play(ALL_THREE, story, Payer(failing={2}))


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_without_sessions_nothing_is_warmed_kept_or_waited_for(strategy: Strategy) -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        for method in (USUAL, "card", USUAL):
            wallet.warm(flow)
            assert (await wallet.session(flow, method)).method == method
            wallet.settle(flow)
        assert (payer.opened, payer.refreshed) == ([], [])
        assert (flow.cold, flow.wasted_prewarms, flow.now()) == (False, 0, 0.0)

    _play(strategy, story, Payer(has_sessions=False))


def test_a_session_is_never_given_out_for_another_method() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        methods = [USUAL, "card", USUAL, USUAL]
        given = [(await wallet.session(flow, method)).method for method in methods]
        assert given == methods
        # The token of the method that was left is dropped, not put by for a return.
        assert payer.opened == [USUAL, "card", USUAL]

    _play(TOKEN_CACHE, story)


def test_a_token_is_dropped_at_a_switch_even_if_the_new_method_opens_no_session() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        await wallet.session(flow, USUAL)
        with pytest.raises(Overloaded):
            await wallet.session(flow, "card")
        assert (await wallet.session(flow, USUAL)).token == "token-3"

    _play(TOKEN_CACHE, story, Payer(failing={2}))


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_a_session_that_is_not_honoured_any_more_is_refreshed(strategy: Strategy) -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        stale = await wallet.session(flow, USUAL)
        wallet.forget(stale)
        fresh = await wallet.session(flow, USUAL)
        assert (stale.token, fresh.token) == ("token-1", "token-2")
        assert (payer.opened, payer.refreshed) == ([USUAL], ["token-1"])
        # Word that comes late about the old one does no harm to the new.
        wallet.forget(stale)
        assert await wallet.session(flow, USUAL) is fresh

    _play(strategy, story)


def test_a_prewarm_that_failed_is_as_if_never_tried() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        wallet.warm(flow)
        assert (await wallet.session(flow, USUAL)).token == "token-2"
        wallet.settle(flow)
        assert flow.wasted_prewarms == 0

    _play(ALL_THREE, story, Payer(failing={1}))


def test_a_session_that_fails_to_open_when_needed_is_a_fault_and_no_ban() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        for _ in range(2):
            with pytest.raises(Overloaded):
                await wallet.session(flow, USUAL)
        assert (await wallet.session(flow, USUAL)).token == "token-3"

    _play(BASELINE, story, Payer(failing={1, 2}))


def test_a_failed_prewarm_that_nobody_needed_is_no_news() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        wallet.warm(flow)
        assert (await wallet.session(flow, "card")).method == "card"
        wallet.settle(flow)
        assert flow.wasted_prewarms == 1

    _play(PREWARM, story, Payer(failing={1}))


def test_a_turn_is_cold_only_when_it_had_to_wait_for_a_session() -> None:
    async def story(wallet: Wallet, payer: Payer, flow: Flow) -> None:
        later = _flow()
        await wallet.session(flow, USUAL)
        await wallet.session(later, USUAL)
        assert (flow.cold, later.cold) == (True, False)

    _play(TOKEN_CACHE, story)


def test_a_session_never_prints_its_token() -> None:
    session = Session("wxs_secret", "card", 12.5, "wxs_secret")
    assert repr(session) == "Session(card, until 12.500)"
