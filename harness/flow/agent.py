"""The buyer's agent: one turn under any strategy, from the wish to the confirmation.

It is the only place that knows what each mitigation reorders. It names no provider and no clock.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

from harness.flow import facts, guard
from harness.flow.bill import legs_of, query_bill, settle_bill
from harness.flow.facts import Facts
from harness.flow.flow import Chat, Flow
from harness.flow.guard import Guarded, WishT
from harness.flow.model import Models
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement, Stale
from harness.flow.recover import resolve
from harness.flow.strategy import Strategy
from harness.flow.wallet import Wallet
from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from harness.providers.call import Malformed, ProviderFault
from harness.record import Outcome

T = TypeVar("T")

TRIES = 2
"""How often a model is asked before an answer that the guard stops ends the turn."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: one app's models and payment providers, shared by all its users."""

    models: Models
    payers: Sequence[Payer]
    """In the order of their lanes: a scenario knows providers by lane only."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the agent remembers of a payment; the user and the models know its reference. A bill
    that was shared has legs."""

    reference: str
    payment: Payment
    lane: int
    outcome: Outcome
    legs: Sequence[Payment] = ()


class Agent:
    """One user's agent for one conversation."""

    def __init__(self, cast: Cast, strategy: Strategy, user: str, usual_method: str) -> None:
        self.receipts: list[Receipt] = []
        self._models = cast.models
        self._payers = cast.payers
        self._strategy = strategy
        self._user = user
        self._wallets = [Wallet(payer, strategy, user, usual_method) for payer in cast.payers]
        self._usual_lane = len(cast.payers) - 1

    # Each of these is one turn of the chat. It returns what the user is told, "" when a provider's
    # fault left nothing to tell.

    async def pay(
        self, chat: Chat, wish: Wish, *, lane: int = 0, most_score: int | None = None
    ) -> str:
        """Pay what the user wishes, by the provider of that lane; by the last one, where the app
        has fewer. With `most_score` a model scores the wish beside the one that reads it, and what
        scores higher is declined."""
        lane = min(lane, len(self._payers) - 1)

        async def turn(flow: Flow) -> str:
            self._wallets[self._usual_lane].warm(flow)
            self._usual_lane = lane
            scored = None if most_score is None else flow.fork(self._score(flow, wish))
            read = await self._read(flow, wish)

            async def suspect() -> bool:
                return scored is not None and await scored > (most_score or 0)

            return await self._pay(flow, lane, read, suspect)

        return await self._turn(chat, wish, wish.method, turn)

    async def refund(self, chat: Chat, wish: RefundWish) -> str:
        """Give back what the user asks for, if the model that reasons finds that it is due. Raises
        ValueError for a shared bill: each leg of one is another person's money."""
        receipt = next(r for r in self.receipts if r.reference == wish.reference)
        if receipt.legs:
            raise ValueError("a shared bill cannot be refunded by one of those who share it")
        method = receipt.payment.wish.method

        async def turn(flow: Flow) -> str:
            self._wallets[receipt.lane].warm(flow)
            await self._read(flow, wish)
            return await self._refund(flow, receipt, wish)

        return await self._turn(chat, wish, method, turn)

    async def split(self, chat: Chat, wish: SplitWish, *, lane: int = 0) -> str:
        """Share a bill: every person pays a leg, and all legs are taken back when one fails."""
        lane = min(lane, len(self._payers) - 1)

        async def turn(flow: Flow) -> str:
            legs = legs_of(_order_no(flow, self._user), self._user, await self._read(flow, wish))
            whole = Payment(legs[0].bill, self._user, _as_payment(wish))
            act = settle_bill(flow, self._payers[lane], legs)
            good_end = self._payers[lane].good_end
            told, outcome = await self._end(flow, act, facts.of_payment(whole), good_end)
            self.receipts.append(Receipt(facts.reference(whole), whole, lane, outcome, legs))
            return told

        return await self._turn(chat, wish, wish.method, turn)

    async def query(self, chat: Chat, wish: QueryWish) -> str:
        """Tell how an earlier payment stands, as its provider says."""
        receipt = next(r for r in self.receipts if r.reference == wish.reference)

        async def turn(flow: Flow) -> str:
            await self._read(flow, wish)
            return await self._query(flow, receipt)

        return await self._turn(chat, None, receipt.payment.wish.method, turn)

    async def hear(self, chat: Chat, said: str) -> str:
        """Do what the user's own words ask for: pay, give back a payment of this chat, or tell how
        one stands. What is asked for beyond that is declined, and nobody is sent anything."""

        async def turn(flow: Flow) -> str:
            refusal = self._refusal(said)
            if refusal:
                return _decline(flow, refusal)
            self._wallets[self._usual_lane].warm(flow)
            return await self._fulfil(flow, await self._understand(flow, said), said)

        return await self._turn(chat, None, "", turn)

    # What is done with a wish that was let through

    def _refusal(self, said: str) -> str:
        """What is told where no wish that a model could read from the words would pass the guard:
        then none is asked. "" where one may."""
        kinds, sums = guard.kinds_in(said), guard.sums_in(said)
        if len(kinds) > 1 or len(sums) > 1:
            return facts.ONE_BY_ONE
        known = guard.names_any(said, [receipt.reference for receipt in self.receipts])
        return "" if (kinds and sums) or known else facts.UNCLEAR

    async def _fulfil(self, flow: Flow, wish: AnyWish, said: str) -> str:
        match wish:
            case Wish():
                _note(flow, wish, wish.method)
                self._usual_lane = 0
                return await self._pay(flow, 0, wish)
            case SplitWish():
                return _decline(flow, facts.NO_SPLIT)
            case RefundWish() | QueryWish():
                receipt = self._receipt_of(wish)
                if receipt is None:
                    return _decline(flow, facts.NO_SUCH)
        method = receipt.payment.wish.method
        if isinstance(wish, QueryWish):
            _note(flow, None, method)
            return await self._query(flow, receipt)
        if self._models.reason is None:
            return _decline(flow, facts.NO_REFUND)
        _note(flow, wish, method)
        return await self._refund(flow, receipt, replace(wish, why=said))

    def _receipt_of(self, wish: RefundWish | QueryWish) -> Receipt | None:
        """The payment of this chat that is meant. Money goes back in its own currency only."""
        for receipt in self.receipts:
            currency = receipt.payment.wish.currency
            same = isinstance(wish, QueryWish) or wish.currency == currency
            if receipt.reference == wish.reference and same:
                return receipt
        return None

    async def _pay(
        self,
        flow: Flow,
        lane: int,
        wish: Wish,
        suspect: Callable[[], Coroutine[Any, Any, bool]] | None = None,
    ) -> str:
        payment = Payment(_order_no(flow, self._user), self._user, wish)

        async def act() -> Settlement:
            if suspect is not None and await suspect():
                return Settlement("declined")
            return await self._settle(flow, lane, payment)

        good_end = self._payers[lane].good_end
        told, outcome = await self._end(flow, act(), facts.of_payment(payment), good_end)
        self.receipts.append(Receipt(facts.reference(payment), payment, lane, outcome))
        return told

    async def _refund(self, flow: Flow, receipt: Receipt, wish: RefundWish) -> str:
        decision = await self._guarded(
            flow, lambda: self._models.decide(flow, facts.case(receipt.payment, wish))
        )

        async def act() -> Settlement:
            if not decision.approve:
                return Settlement("declined")
            return await self._give_back(flow, receipt, wish.amount_minor)

        told, _ = await self._end(flow, act(), facts.of_refund(receipt.payment, wish), "refunded")
        return told

    async def _query(self, flow: Flow, receipt: Receipt) -> str:
        stands = await self._stands(flow, receipt)
        flow.outcome = "ok"
        return await self._models.tell(flow, facts.of_payment(receipt.payment)(stands))

    # The parts of a turn

    async def _turn(
        self,
        chat: Chat,
        wish: Wish | RefundWish | SplitWish | None,
        method: str,
        turn: Callable[[Flow], Coroutine[Any, Any, str]],
    ) -> str:
        told = ""
        async with chat.turn() as flow:
            _note(flow, wish, method)
            try:
                told = await turn(flow)
            finally:
                for wallet in self._wallets:
                    wallet.settle(flow)
        return told

    async def _read(self, flow: Flow, wish: WishT) -> WishT:
        """The wish, understood by the model and let through by the guard."""

        async def read() -> WishT:
            return guard.allow(await self._models.read_wish(flow, wish.said()), wish)

        return await self._guarded(flow, read)

    async def _understand(self, flow: Flow, said: str) -> AnyWish:
        """What the model makes of words that no wish is known behind, as far as they bear it."""

        async def understand() -> AnyWish:
            return guard.borne(await self._models.read_wish(flow, said), said)

        return await self._guarded(flow, understand)

    async def _score(self, flow: Flow, wish: Wish) -> int:
        return (await self._guarded(flow, lambda: self._models.suspect(flow, wish.said()))).score

    async def _guarded(self, flow: Flow, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the model answers; an answer that the guard stops is counted and asked for again."""
        for _ in range(TRIES - 1):
            try:
                return await ask()
            except Guarded:
                flow.guarded += 1
        try:
            return await ask()
        except Guarded:
            flow.guarded += 1
            raise

    async def _end(
        self, flow: Flow, act: Coroutine[Any, Any, Settlement], tell_of: Facts, hoped: Outcome
    ) -> tuple[str, Outcome]:
        """Do what was asked for and tell the user how it ended: one after the other, or beside
        each other on the bet that it ends as hoped."""
        draft = None
        if self._strategy.parallel_confirm:
            draft = flow.fork(self._models.tell(flow, tell_of(hoped)))
        settled = await act
        if draft and settled.outcome == hoped:
            told = await draft
        else:
            # A draft that tells of what did not happen was seen by nobody: it ends unread.
            flow.corrections += draft is not None
            told = await self._models.tell(flow, tell_of(settled.outcome))
        flow.outcome = settled.outcome
        return told, settled.outcome

    async def _settle(self, flow: Flow, lane: int, payment: Payment) -> Settlement:
        """How the payment ends. No session at all is a fault of the turn: nothing was sent yet."""
        pay = lambda session: self._authorize(flow, lane, session, payment)  # noqa: E731
        settled = await _in_session(flow, self._wallets[lane], payment.wish.method, pay)
        flow.fee_minor += settled.fee_minor  # Owed even if telling the user fails.
        return settled

    async def _authorize(
        self, flow: Flow, lane: int, session: Session, payment: Payment
    ) -> Settlement | Stale:
        """A fault after the payment was sent leaves it open whether money moved, so the provider
        is asked, and what it cannot tell is taken back."""
        try:
            return await self._payers[lane].authorize(flow, session, payment)
        except ProviderFault:
            # The call may have outlived its session; one that is still good is given out again.
            again = lambda: self._wallets[lane].session(flow, session.method)  # noqa: E731
            return await resolve(flow, self._payers[lane], again, session, payment)

    async def _stands(self, flow: Flow, receipt: Receipt) -> Outcome:
        payer = self._payers[receipt.lane]
        if receipt.legs:
            return await query_bill(flow, payer, receipt.legs)
        session = await self._wallets[receipt.lane].session(flow, receipt.payment.wish.method)
        stands = await payer.query(flow, session, receipt.payment)
        return stands.outcome if stands else "unknown"

    async def _give_back(self, flow: Flow, receipt: Receipt, amount_minor: int) -> Settlement:
        """Sent again under the same number, a refund happens once: a fault is met by one retry.
        No session at all is a fault of the turn: nothing was sent yet."""
        payment, wallet = receipt.payment, self._wallets[receipt.lane]
        refund = Refund(f"{payment.order_no}-r{flow.turn}", amount_minor)
        send = lambda at: self._payers[receipt.lane].refund(flow, at, payment, refund)  # noqa: E731
        await wallet.session(flow, payment.wish.method)
        for _ in range(TRIES):
            with suppress(ProviderFault):
                return await _in_session(flow, wallet, payment.wish.method, send)
        return Settlement("unknown")


class Scenario(Protocol):
    """What a buyer does in one conversation of at most `turns` turns. It is a dataclass: its fields
    are the parameters that a user may set."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def turns(self) -> int: ...

    @property
    def usual_method(self) -> str:
        """The payment method an app would guess before it has heard the user."""

    async def run(self, chat: Chat, agent: Agent) -> None: ...


async def _in_session(
    flow: Flow,
    wallet: Wallet,
    method: str,
    send: Callable[[Session], Coroutine[Any, Any, Settlement | Stale]],
) -> Settlement:
    """Send it in the session at hand; one that the provider does not honour is renewed, once."""
    session = await wallet.session(flow, method)
    settled = await send(session)
    if settled == "stale":
        flow.stale_tokens += 1
        wallet.forget(session)
        settled = await send(await wallet.session(flow, method))
    if settled == "stale":
        raise Malformed("a session opened this moment is refused as stale")
    return settled


def _note(flow: Flow, wish: Wish | RefundWish | SplitWish | None, method: str) -> None:
    """What the turn is about, for its row."""
    flow.method = method
    if wish is not None:
        flow.amount_minor, flow.currency = wish.amount_minor, wish.currency


def _decline(flow: Flow, told: str) -> str:
    flow.outcome = "declined"
    return told


def _as_payment(wish: SplitWish) -> Wish:
    return Wish(wish.amount_minor, wish.currency, wish.payee, wish.method)


def _order_no(flow: Flow, user: str) -> str:
    """One number a business intent: the user's own, and the turn's."""
    return f"{user}-{flow.turn}"
