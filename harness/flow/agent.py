"""The buyer's agent: one turn under any strategy, from the wish to the confirmation.

It is the only place that knows what each mitigation reorders. It names no provider and no clock.
"""

from asyncio import CancelledError, Task
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

import msgspec
from msgspec.structs import replace

from harness.books import NO_MONEY
from harness.flow import facts, held
from harness.flow.bill import Sharing, legs_of, query_bill
from harness.flow.deeds import Deed, GivingBack, Paying
from harness.flow.flow import Chat, Flow
from harness.flow.guard import Guarded
from harness.flow.model import Models
from harness.flow.payers import Payer, Payment
from harness.flow.purse import Purse
from harness.flow.reading import Reader, refusal
from harness.flow.strategy import Strategy
from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from harness.providers.call import ProviderFault
from harness.record import Outcome


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: one app's models and payment providers, shared by all its users."""

    models: Models
    payers: Sequence[Payer]
    """In the order of their lanes: a scenario knows providers by lane only."""
    lanes: Sequence[str] = ()
    """What the books of each of these payers go by."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
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
        self._reader = Reader(cast.models)
        self._strategy = strategy
        self._user = user
        self._purse = Purse(cast.payers, cast.lanes, strategy, user, usual_method)
        self._usual_lane = len(cast.payers) - 1

    # Each of these is one turn of the chat. It returns what the user is told, "" when a provider's
    # fault left nothing to tell. Where money moved and the model fails that is to tell of it, that
    # is the facts as they are.

    async def pay(
        self, chat: Chat, wish: Wish, *, lane: int = 0, most_score: int | None = None
    ) -> str:
        """Pay what the user wishes, by the provider of that lane; by the last one, where the app
        has fewer. With `most_score` a model scores the wish beside the one that reads it, and what
        scores higher is declined."""
        lane = min(lane, len(self._purse.payers) - 1)

        async def turn(flow: Flow) -> str:
            self._warm(flow, self._usual_lane)
            self._usual_lane = lane
            if most_score is None:
                return await self._pay(flow, lane, await self._reader.read(flow, wish))
            scored = flow.fork(self._reader.score(flow, wish))
            read = await self._reader.read(flow, wish)

            async def suspect() -> bool:
                return await scored > most_score

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
            self._warm(flow, receipt.lane)
            await self._reader.read(flow, wish)
            return await self._refund(flow, receipt, wish)

        return await self._turn(chat, wish, method, turn)

    async def split(self, chat: Chat, wish: SplitWish, *, lane: int = 0) -> str:
        """Share a bill: every person pays a leg, and all legs are taken back when one fails."""
        lane = min(lane, len(self._purse.payers) - 1)

        async def turn(flow: Flow) -> str:
            read, at = await self._reader.read(flow, wish), lane
            if flow.switched:
                at, part = self._otherwise(flow, lane, _as_payment(read))
                read = replace(read, method=part.method)
            self._heed_devices(flow, at, read.method)
            whole = Payment(_order_no(flow, self._user), self._user, _as_payment(read))
            legs = legs_of(whole.order_no, self._user, read)
            told, outcome = await self._end(flow, Sharing(flow, self._purse, at, whole, legs))
            self.receipts.append(Receipt(facts.reference(whole), whole, at, outcome, legs))
            return told

        return await self._turn(chat, wish, wish.method, turn)

    async def query(self, chat: Chat, wish: QueryWish) -> str:
        """Tell how an earlier payment stands, as its provider says."""
        receipt = next(r for r in self.receipts if r.reference == wish.reference)

        async def turn(flow: Flow) -> str:
            await self._reader.read(flow, wish)
            return await self._query(flow, receipt)

        return await self._turn(chat, None, receipt.payment.wish.method, turn)

    async def hear(self, chat: Chat, said: str) -> str:
        """Do what the user's own words ask for: pay, give back a payment of this chat, or tell how
        one stands. What is asked for beyond that is declined, and nobody is sent anything."""

        async def turn(flow: Flow) -> str:
            refused = refusal(said, [receipt.reference for receipt in self.receipts])
            if refused:
                return _decline(flow, refused)
            self._warm(flow, self._usual_lane)
            return await self._fulfil(flow, await self._reader.understand(flow, said), said)

        return await self._turn(chat, None, "", turn)

    # What is done with a wish that was let through

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
        suspect: Callable[[], Awaitable[bool]] | None = None,
    ) -> str:
        if flow.switched:
            lane, wish = self._otherwise(flow, lane, wish)
        self._heed_devices(flow, lane, wish.method)
        payment = Payment(_order_no(flow, self._user), self._user, wish)
        paying = Paying(flow, self._purse, lane, payment, suspect)
        told, outcome = await self._end(flow, paying)
        made = paying.payment
        self.receipts.append(Receipt(facts.reference(made), made, paying.lane, outcome))
        return told

    async def _refund(self, flow: Flow, receipt: Receipt, wish: RefundWish) -> str:
        payment, lane = receipt.payment, receipt.lane
        self._heed_devices(flow, lane, payment.wish.method)
        decision = await self._reader.decide(flow, facts.case(payment, wish))
        deed = GivingBack(flow, self._purse, lane, payment, wish, decision.approve)
        try:
            told, _ = await self._end(flow, deed)
        except CancelledError:
            deed.leave()
            raise
        return told

    async def _query(self, flow: Flow, receipt: Receipt) -> str:
        self._heed_devices(flow, receipt.lane, receipt.payment.wish.method)
        stands = await self._stands(flow, receipt)
        flow.outcome = "ok"
        told = await self._models.tell(flow, facts.of_payment(receipt.payment)(stands))
        if not receipt.legs:
            held.show(flow, self._purse.lanes[receipt.lane], receipt.payment, told)
        return told

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
            except Guarded as stopped:
                # Whatever the guard stops, it stops before anything is sent.
                flow.fail(stopped)
                told = facts.UNSURE
            finally:
                for wallet in self._purse.wallets:
                    wallet.settle(flow)
        return told

    async def _end(self, flow: Flow, deed: Deed) -> tuple[str, Outcome]:
        """Do what was asked for and tell the user how it ended: one after the other, or beside
        each other on the bet that it ends as hoped. Where the user cancels until then, it is taken
        back, and told in the fewest words. It is told what came of the deed, even where the turn is
        an error for want of a model to tell it."""
        bet, draft, fault = "", None, None
        if self._strategy.parallel_confirm and not flow.cancelled:
            bet = deed.tells(deed.hoped)
            draft = flow.fork(self._models.tell(flow, bet))
        settled = await deed.act()
        end = deed.tells(settled.outcome)
        told = facts.plainly(end)
        if flow.cancelled:
            flow.corrections += draft is not None
        else:
            try:
                told = await self._tell(flow, end, bet, draft)
            except ProviderFault as failed:
                fault = failed
        if flow.cancelled:
            settled, fault = await deed.undo(settled), None
            told = facts.plainly(deed.tells(settled.outcome))
        flow.outcome = settled.outcome
        if fault is not None:
            flow.fail(fault)
        deed.show(told)
        if settled.outcome == "unknown":
            deed.follow()
        return told, settled.outcome

    async def _tell(self, flow: Flow, what: str, bet: str, draft: "Task[str] | None") -> str:
        if draft is not None and what == bet:
            return await draft
        # A draft that tells of what did not happen was seen by nobody: it ends unread.
        flow.corrections += draft is not None
        return await self._models.tell(flow, what)

    async def _stands(self, flow: Flow, receipt: Receipt) -> Outcome:
        payment, lane = receipt.payment, receipt.lane
        if receipt.legs:
            return await query_bill(flow, self._purse.payers[lane], receipt.legs)
        stands = await self._purse.stands(flow, lane, payment)
        known = held.held(flow, self._purse.lanes[lane], payment) or receipt.outcome
        if known == "reversed" and stands and stands.outcome in _TAKEN_BACK:
            return known
        return stands.outcome if stands else "unknown"

    def _warm(self, flow: Flow, lane: int) -> None:
        self._purse.wallets[lane].warm(flow)

    def _otherwise(self, flow: Flow, lane: int, wish: Wish) -> tuple[int, Wish]:
        """The user, understood, takes the other way all the same."""
        flow.switched = False
        self._usual_lane, wish = self._purse.otherwise(lane, wish)
        flow.method = wish.method
        return self._usual_lane, wish

    def _heed_devices(self, flow: Flow, lane: int, method: str) -> None:
        """A session is good for one method: by it they can see a payment that was made with it."""
        if not flow.storming:
            return
        flow.storming = False
        seen = [
            receipt.payment
            for receipt in self.receipts
            if (receipt.lane, receipt.payment.wish.method) == (lane, method) and not receipt.legs
        ]
        self._purse.storm(flow, lane, method, seen[-1] if seen else None)


_TAKEN_BACK: tuple[Outcome, ...] = (*NO_MONEY, "refunded", "ordered")
"""What providers call a payment that was taken back; of an order that nobody pays some tell no more
than that it was made."""


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
