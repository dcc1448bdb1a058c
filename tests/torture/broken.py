"""Apps that are wrong on purpose, each in one way that loses or doubles money or leaks a secret; no
product code is like them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast
from unittest.mock import patch

import httpx
import msgspec
from msgspec.structs import replace

from harness.cli.casting import MakePayer
from harness.cli.torturing import Client
from harness.flow import facts
from harness.flow.agent import Agent, Cast
from harness.flow.deeds import Deed
from harness.flow.flow import Flow
from harness.flow.inbox import Inbox, Notice
from harness.flow.model import Models
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement, Stale
from harness.flow.payers.alipay_ai import AlipayAi, _outcome
from harness.flow.payers.careful import Careful
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.strategy import Strategy
from harness.flow.wallet import Wallet
from harness.providers import alipay_ai as wire
from harness.providers import rsa2, unionpay, wechat_ai, wechatpay
from harness.providers.alipay_ai import trade
from harness.providers.alipay_ai.form import params_of
from harness.providers.call import Call, Endpoint, ProviderFault
from harness.record import Outcome
from mocks.profile import PaymentProfile

T = TypeVar("T")


class NewNumberOnRetry(Careful):
    """A payment without an answer is paid again, as if it were another."""

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        try:
            return await super().authorize(flow, session, payment)
        except ProviderFault:
            again = replace(payment, order_no=f"{payment.order_no}-again")
            return await super().authorize(flow, session, again)


class NeverAsks(Careful):
    """A payment without an answer was declined, surely."""

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        try:
            return await super().authorize(flow, session, payment)
        except ProviderFault:
            return Settlement("declined")


class RefundsBlindly(Careful):
    """A refund without an answer is given again, under another number."""

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        try:
            return await self._payer.refund(flow, session, payment, refund)
        except ProviderFault:
            again = replace(refund, refund_no=f"{refund.refund_no}-again")
            return await self._payer.refund(flow, session, payment, again)


class KeepsForEveryMethod(Wallet):
    """A session that was opened for one method is given out for every other."""

    async def session(self, flow: Flow, method: str) -> Session:
        if self._kept is not None and self._usable(flow, self._kept.method):
            return replace(self._kept, method=method)
        return await super().session(flow, method)


class EachForItself(Wallet):
    """Whoever needs a session while another is being opened opens one as well, and one that ran out
    is there until its refresh is over."""

    def _open(self, flow: Flow, method: str) -> asyncio.Task[Session]:
        return flow.fork(self._opened(flow, method))

    def _opened(self, flow: Flow, method: str) -> Coroutine[Any, Any, Session]:
        kept = self._kept
        opening = super()._opened(flow, method)
        self._kept = kept
        return opening


class OneAfterTheOther(EachForItself):
    """The same, each a moment after the one before."""

    _after_s = 0.0

    def _opened(self, flow: Flow, method: str) -> Coroutine[Any, Any, Session]:
        opening, after_s = super()._opened(flow, method), self._after_s
        self._after_s += 0.01

        async def later() -> Session:
            await flow.sleep(after_s)
            return await opening

        return later()


class ForgetsWhatItSpent(WechatAi):
    """It does not mind that a refresh token was sent before."""

    def _spend(self, refresh_token: str) -> None:
        pass


class Hasty(Agent):
    """The user is told that all went well before anybody knows."""

    async def _end(self, flow: Flow, deed: Deed) -> tuple[str, Outcome]:
        deed.show(facts.plainly(deed.tells(deed.hoped)))
        return await super()._end(flow, deed)


class BelievesAnybody(AlipayAi):
    """A notice is true, whoever signed it."""

    def _receive(self, request: httpx.Request) -> tuple[Notice | None, httpx.Response]:
        told = msgspec.convert(params_of(request.content), trade.Notice)
        notice = Notice(told.notify_id, told.out_trade_no, _outcome(told), trade.fee_minor(told))
        return notice, wire.encode_receipt(True)


class Trusting:
    """A turn whose answers are read without a look at who signed them."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def __getattr__(self, name: str) -> Any:  # Whatever else a turn has: it is passed on.
        return getattr(self._flow, name)

    async def call(self, stage: str, call: Call[T]) -> T:
        read = _unproven(call.decode)
        return await self._flow.call(stage, msgspec.structs.replace(call, decode=read))


class BelievesAnswers(Careful):
    """An answer is true, whoever signed it."""

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        return await super().authorize(_trusting(flow), session, payment)

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        return await super().query(_trusting(flow), session, payment)

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        return await super().void(_trusting(flow), session, payment)

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        return await super().refund(_trusting(flow), session, payment, refund)


class TellsItsToken(Careful):
    """It keeps the newest token where its models can see it."""

    tokens: list[str]

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        session = await super().open_session(flow, user, method)
        self.tokens.append(session.token)
        return session


def with_wallets(
    make: Callable[[Payer, Strategy, str, str], Wallet],
    payer: Callable[[MakePayer], MakePayer] = lambda make: make,
) -> Client:
    def agent(cast: Cast, strategy: Strategy, user: str, usual_method: str) -> Agent:
        made = Agent(cast, strategy, user, usual_method)
        made._purse.wallets = [make(payer, strategy, user, usual_method) for payer in cast.payers]
        return made

    return Client(payer=payer, agent=agent)


def believing(make: MakePayer) -> MakePayer:
    def payer(at: Endpoint, inbox: Inbox, profile: PaymentProfile) -> Payer:
        if profile.provider != wire.NAME:
            return make(at, inbox, profile)
        approval = profile.approval
        assert approval is not None
        return BelievesAnybody(at, inbox, approval.quantile_s)

    return payer


def trusting(provider: str) -> Client:
    """Only there: of each wire it is found for itself."""
    return Client(
        careful=lambda payer, lane: (BelievesAnswers if lane == provider else Careful)(payer, lane)
    )


def _trusting(flow: Flow) -> Flow:
    return cast(Flow, Trusting(flow))


def _unproven(
    decode: Callable[[int, httpx.Headers, bytes], T],
) -> Callable[[int, httpx.Headers, bytes], T]:
    """The mocks, which look at signatures too, never run meanwhile."""

    def read(status: int, headers: httpx.Headers, body: bytes) -> T:
        with (
            patch.object(rsa2, "verify", lambda *_: True),
            patch.object(wechatpay, "doubt", lambda *_: ""),
            patch.object(unionpay, "is_believed", lambda *_: True),
        ):
            return decode(status, headers, body)

    return read


def forgetful(make: MakePayer) -> MakePayer:
    def payer(at: Endpoint, inbox: Inbox, profile: PaymentProfile) -> Payer:
        if profile.provider != wechat_ai.NAME:
            return make(at, inbox, profile)
        return ForgetsWhatItSpent(at)

    return payer


def talkative() -> Client:
    """Its confirming model is told the session token, to be on the safe side."""
    tokens: list[str] = []

    class Talkative(Models):
        async def tell(self, flow: Flow, facts: str) -> str:
            return await super().tell(flow, f"{facts} (session {tokens[-1]})" if tokens else facts)

    def careful(payer: Payer, lane: str) -> Payer:
        made = TellsItsToken(payer, lane)
        made.tokens = tokens
        return made

    def models(of: Models) -> Models:
        tokens.clear()
        return Talkative(of.intent, of.confirm, of.reason, of.score)

    return Client(careful=careful, models=models)


BROKEN: dict[str, tuple[Client, str]] = {
    "a new key on retry": (Client(careful=NewNumberOnRetry), "one capture"),
    "no invalidation on a switch": (with_wallets(KeepsForEveryMethod), "own tokens"),
    "told before the final state": (Client(agent=Hasty), "told true"),
    "a refresh without single flight": (with_wallets(EachForItself), "one refresh"),
    "a refresh token spent by each": (with_wallets(EachForItself, forgetful), "own tokens"),
    "no query after a timeout": (Client(careful=NeverAsks), "same end"),
    "a blind retry of a refund": (Client(careful=RefundsBlindly), "same end"),
    "an unknown key accepted": (Client(payer=believing), "same end"),
    "an unknown key accepted at alipay-ai": (trusting("alipay-ai"), "same end"),
    "an unknown key accepted at alipay-v3": (trusting("alipay-v3"), "same end"),
    "an unknown key accepted at wechatpay": (trusting("wechatpay"), "same end"),
    "an unknown key accepted at unionpay": (trusting("unionpay"), "same end"),
    "a raw token for the model": (talkative(), "no secret"),
}
"""Each with the rule that it breaks."""
