"""What a turn does with money, from the doing to how it is told: a payment, a refund. It asks no
model and words nothing but facts.

Each keeps what the app holds of its payment, so that a turn that ends in whatever way leaves no
money that nobody knows of.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from harness.books import NO_MONEY
from harness.flow import facts, held
from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Settlement
from harness.flow.purse import Purse
from harness.flow.recover import later
from harness.flow.wish import RefundWish
from harness.providers.call import ProviderFault
from harness.record import Outcome


class Deed(Protocol):
    @property
    def hoped(self) -> Outcome:
        """How it ends that goes well."""

    def tells(self, outcome: Outcome) -> str:
        """The facts of such an end."""

    async def act(self) -> Settlement:
        """Do it. A user who cancelled before anything was sent gets "reversed", and nothing is."""

    async def undo(self, settled: Settlement) -> Settlement:
        """The user does not want it any more: take back what can be taken back."""

    def follow(self) -> None:
        """It ended unknown: settle it beside and after the turn, or say that it stays so."""

    def show(self, text: str) -> None:
        """The user is given this text."""


class Paying:
    """One payment. A user who takes another way while it is being made has it taken back, and only
    when that is sure is the other way paid, under a number of its own."""

    def __init__(
        self,
        flow: Flow,
        purse: Purse,
        lane: int,
        payment: Payment,
        suspect: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.lane = lane
        self.payment = payment
        self._flow = flow
        self._purse = purse
        self._suspect = suspect
        self._wanted = True

    @property
    def hoped(self) -> Outcome:
        return self._purse.payers[self.lane].good_end

    def tells(self, outcome: Outcome) -> str:
        return facts.of_payment(self.payment)(outcome)

    async def act(self) -> Settlement:
        if self._suspect is not None and await self._suspect():
            return self._hold(Settlement("declined"))
        settled = self._hold(await self._purse.pay(self._flow, self.lane, self.payment))
        if self._flow.switched and not self._flow.cancelled:
            self._flow.switched = False
            return await self._pay_otherwise(settled)
        return settled

    async def undo(self, settled: Settlement) -> Settlement:
        if settled.outcome in NO_MONEY:
            return settled
        self._wanted = False
        self._flow.fee_minor -= settled.fee_minor
        return self._hold(await self._purse.take_back(self._flow, self.lane, self.payment))

    def follow(self) -> None:
        self._purse.settling.add(self.payment.order_no)
        look = lambda: self._purse.look_again(  # noqa: E731
            self._flow, self.lane, self.payment, wanted=self._wanted
        )
        follow(self._flow, look, self._end)

    def show(self, text: str) -> None:
        held.show(self._flow, self._purse.lanes[self.lane], self.payment, text)

    async def _pay_otherwise(self, settled: Settlement) -> Settlement:
        """Not without being sure that the first way pays nothing, or where the second way cannot
        even be begun: then the turn is about the first still."""
        flow, first = self._flow, self.payment
        settled = await self.undo(settled)
        if settled.outcome not in NO_MONEY or flow.cancelled:
            return settled
        lane, wish = self._purse.otherwise(self.lane, first.wish)
        other = Payment(f"{first.order_no}-s", first.user, wish)
        try:
            paid = await self._purse.pay(flow, lane, other)
        except ProviderFault:
            return settled
        flow.method, self.lane, self.payment, self._wanted = wish.method, lane, other, True
        return self._hold(paid)

    def _hold(self, settled: Settlement) -> Settlement:
        """The fee is owed even if telling the user fails."""
        self._flow.fee_minor += settled.fee_minor
        held.hold(self._flow, self._purse.lanes[self.lane], self.payment, settled.outcome)
        return settled

    def _end(self, settled: Settlement) -> None:
        self._purse.settling.discard(self.payment.order_no)
        lane = self._purse.lanes[self.lane]
        if settled.outcome == "unknown":
            held.hold(self._flow, lane, self.payment, "unknown", reported=True)
            return
        self._hold(settled)
        self.show(facts.plainly(self.tells(settled.outcome)))


class GivingBack:
    """A refund. Once it was sent it stands, even if the user would have it otherwise by then. None
    is sent while the payment itself, or another refund of it, is still being settled."""

    def __init__(
        self,
        flow: Flow,
        purse: Purse,
        lane: int,
        payment: Payment,
        wish: RefundWish,
        approved: bool,
    ) -> None:
        self._flow = flow
        self._purse = purse
        self._lane = lane
        self._payment = payment
        self._wish = wish
        self._approved = approved
        self._refund = Refund(f"{payment.order_no}-r{flow.turn}", wish.amount_minor)
        self._before = held.held(flow, purse.lanes[lane], payment)
        self._came = Settlement("declined")
        self._sent = False

    @property
    def hoped(self) -> Outcome:
        return "refunded"

    def tells(self, outcome: Outcome) -> str:
        if outcome == "reversed":
            return facts.KEPT
        return facts.of_refund(self._payment, self._wish)(outcome)

    async def act(self) -> Settlement:
        if not self._approved or self._payment.order_no in self._purse.settling:
            return Settlement("declined")
        self._sent = True
        self._came = await self._purse.give_back(
            self._flow, self._lane, self._payment, self._refund
        )
        self._sent = self._came.outcome in ("refunded", "unknown")
        self._hold(self._came)
        return self._came

    async def undo(self, settled: Settlement) -> Settlement:
        return settled

    def follow(self) -> None:
        self._purse.settling.add(self._payment.order_no)
        look = lambda: self._purse.give_back_again(  # noqa: E731
            self._flow, self._lane, self._payment, self._refund
        )
        follow(self._flow, look, self._end)

    def show(self, text: str) -> None:
        """That nothing went back says nothing of how the payment itself stands."""
        if self._came.outcome in ("refunded", "unknown") and self._is_held:
            held.show(self._flow, self._purse.lanes[self._lane], self._payment, text)

    def leave(self) -> None:
        """The turn is cut off: what became of it was told to nobody, and nobody goes on to ask. The
        payment was another turn's, which is long over."""
        if self._sent:
            self._hold(Settlement("unknown"), reported=True)

    @property
    def _is_held(self) -> bool:
        """Of a payment that was forgotten nothing is held anew: what is known here is no more than
        what became of one refund."""
        return held.held(self._flow, self._purse.lanes[self._lane], self._payment) is not None

    def _hold(self, settled: Settlement, *, reported: bool = False) -> None:
        if not self._is_held:
            return
        lane = self._purse.lanes[self._lane]
        if settled.outcome == "refunded":
            held.hold_back(self._flow, lane, self._payment, self._wish.amount_minor)
        elif settled.outcome == "unknown":
            held.hold(self._flow, lane, self._payment, "unknown", reported=reported)

    def _end(self, settled: Settlement) -> None:
        """Where nothing went back, the payment stands as it did."""
        self._purse.settling.discard(self._payment.order_no)
        self._came = settled
        self._hold(settled, reported=True)
        if settled.outcome == "unknown":
            return
        if settled.outcome != "refunded" and self._before is not None and self._is_held:
            held.hold(self._flow, self._purse.lanes[self._lane], self._payment, self._before)
        self.show(facts.plainly(self.tells(settled.outcome)))


def follow(
    flow: Flow, look: Callable[[], Awaitable[Settlement]], end: Callable[[Settlement], None]
) -> None:
    """Settle what ended unknown after the turn, where calls are sent again at all: `end` is told
    how it stands, which may be unknown still."""
    if flow.world.retries is None:
        end(Settlement("unknown"))
        return

    async def settle() -> None:
        settled = Settlement("unknown")
        try:
            settled = await later(flow, look)
        finally:
            end(settled)

    flow.fork(settle())
