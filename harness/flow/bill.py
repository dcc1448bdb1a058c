"""A bill that several people share: its legs, and paying all of them or none; it reads no wish."""

import asyncio
from collections.abc import Sequence

from harness.books import NO_MONEY
from harness.flow import facts, held
from harness.flow.deeds import follow
from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Session, Settlement
from harness.flow.purse import Purse
from harness.flow.recover import resolve, voided
from harness.flow.wish import SplitWish, Wish
from harness.providers.call import Malformed, ProviderFault
from harness.record import Outcome

SESSIONS = 2
"""How often one is opened for a leg: one that the provider does not honour is renewed, once."""


def legs_of(bill: str, user: str, wish: SplitWish) -> list[Payment]:
    """A payment for each person; together they are exactly the bill."""
    return [
        Payment(
            f"{bill}-{n}",
            f"{user}-{person}",
            Wish(leg_minor, wish.currency, wish.payee, wish.method),
            bill,
            wish.amount_minor,
        )
        for n, (person, leg_minor) in enumerate(zip(wish.people, wish.legs_minor(), strict=True))
    ]


class Sharing:
    """One bill: all legs side by side. Unless every one is paid, those that are paid are taken
    back."""

    def __init__(
        self, flow: Flow, purse: Purse, lane: int, whole: Payment, legs: Sequence[Payment]
    ) -> None:
        self._flow = flow
        self._purse = purse
        self._lane = lane
        self._whole = whole
        self._legs = legs
        self._ends: dict[str, Outcome] = {}
        """How each leg stands, by its order number; of one that was never sent nothing is known."""

    @property
    def hoped(self) -> Outcome:
        return self._payer.good_end

    def tells(self, outcome: Outcome) -> str:
        return facts.of_payment(self._whole)(outcome)

    async def act(self) -> Settlement:
        """A leg that the provider would not even take in is its fault, told when nothing is left
        open."""
        flow, payer = self._flow, self._payer
        if flow.cancelled:
            return Settlement("reversed")
        flow.cold = payer.has_sessions
        ends = await asyncio.gather(*(_settle_leg(flow, payer, leg) for leg in self._legs))
        pairs = list(zip(ends, self._legs, strict=True))
        for (_, end), leg in pairs:
            if end.outcome != "error":
                self._hold(leg, end.outcome)
        outcomes = {end.outcome for _, end in ends}
        if outcomes == {payer.good_end}:
            fee_minor = sum(end.fee_minor for _, end in ends)
            flow.fee_minor += fee_minor
            return Settlement(payer.good_end, fee_minor)
        paid = [(at, leg) for (at, end), leg in pairs if at and end.outcome == payer.good_end]
        back = await asyncio.gather(*(voided(flow, payer, at, leg) for at, leg in paid))
        for (_, leg), is_back in zip(paid, back, strict=True):
            self._hold(leg, "reversed" if is_back else "unknown")
        if "unknown" in outcomes or not all(back):
            return Settlement("unknown")
        if "error" in outcomes and not flow.cancelled:
            raise Malformed("a leg of the bill could not be sent")
        return Settlement("reversed" if paid or "reversed" in outcomes else "declined")

    async def undo(self, settled: Settlement) -> Settlement:
        """Every leg that is paid; of what is unknown already the rest is settled later."""
        if settled.outcome != self.hoped:
            return settled
        self._flow.fee_minor -= settled.fee_minor
        await asyncio.gather(*(self._take_back(leg) for leg in self._legs))
        return self._settled()

    def follow(self) -> None:
        follow(self._flow, self._look, self._end)

    def show(self, text: str) -> None:
        """To everyone; who paid nothing does not mind in which way the bill came to that."""
        lane = self._purse.lanes[self._lane]
        told = self._settled().outcome
        for leg in self._legs:
            end = self._ends.get(leg.order_no)
            if end is None:
                continue  # It was never sent, and nothing is held of it.
            if end in NO_MONEY and told != end and told in (*NO_MONEY, "unknown"):
                continue
            held.show(self._flow, lane, leg, text)

    @property
    def _payer(self) -> Payer:
        return self._purse.payers[self._lane]

    def _hold(self, leg: Payment, outcome: Outcome, *, reported: bool = False) -> None:
        self._ends[leg.order_no] = outcome
        lane = self._purse.lanes[self._lane]
        held.hold(self._flow, lane, leg, outcome, reported=reported)

    def _settled(self) -> Settlement:
        """How the bill stands by what is known of its legs: of what was begun to be taken back
        nothing is done but to take back the rest."""
        ends = set(self._ends.values())
        if len(ends) == 1:
            return Settlement(ends.pop())
        return Settlement("reversed" if ends.issubset(NO_MONEY) else "unknown")

    async def _take_back(self, leg: Payment) -> None:
        """In a session of that person's own. What cannot be taken back keeps its end."""
        look = self._purse.look_again(self._flow, self._lane, leg, wanted=False)
        try:
            settled = await look
        except ProviderFault:
            settled = Settlement("unknown")
        self._flow.fee_minor += settled.fee_minor
        self._hold(leg, settled.outcome)

    async def _look(self) -> Settlement:
        """Take back every leg of which it is not known how it stands: whether the whole bill could
        be paid was decided long ago."""
        open_ = [leg for leg in self._legs if self._ends.get(leg.order_no) == "unknown"]
        await asyncio.gather(*(self._take_back(leg) for leg in open_))
        ends = self._ends.values()
        return Settlement("unknown") if "unknown" in ends else self._settled()

    def _end(self, settled: Settlement) -> None:
        for leg in self._legs:
            if self._ends.get(leg.order_no) == "unknown":
                self._hold(leg, "unknown", reported=True)
        if settled.outcome != "unknown":
            self.show(facts.plainly(self.tells(settled.outcome)))


async def query_bill(flow: Flow, payer: Payer, legs: Sequence[Payment]) -> Outcome:
    """How a bill stands: as its legs do, where all say the same; paid only when every leg is."""
    asked = (_query_leg(flow, payer, leg) for leg in legs)
    # All of them are waited for: no call of the turn outlives it because another failed.
    stands = await asyncio.gather(*asked, return_exceptions=True)
    outcomes: set[Outcome] = set()
    for told in stands:
        if isinstance(told, BaseException):
            raise told
        outcomes.add(told.outcome if told else "unknown")
    if len(outcomes) == 1:
        return outcomes.pop()
    # Of a bill that came to nothing some legs were declined and the others taken back.
    return "reversed" if outcomes <= {"declined", "reversed", "refunded"} else "unknown"


async def _query_leg(flow: Flow, payer: Payer, leg: Payment) -> Settlement | None:
    """Only the person who pays a leg can ask after it."""
    session = await payer.open_session(flow, leg.user, leg.wish.method)
    return await payer.query(flow, session, leg)


async def _settle_leg(flow: Flow, payer: Payer, leg: Payment) -> tuple[Session | None, Settlement]:
    """One person's leg, in a session of that person's own; "error" when it was never sent, and
    "reversed" when nobody wants it sent any more."""

    async def open_session() -> Session:
        return await payer.open_session(flow, leg.user, leg.wish.method)

    session = None
    for _ in range(SESSIONS):
        try:
            session = await open_session()
        except ProviderFault:
            return None, Settlement("error")
        if flow.cancelled:
            return None, Settlement("reversed")
        try:
            settled = await payer.authorize(flow, session, leg)
        except ProviderFault:
            return session, await resolve(flow, payer, open_session, session, leg)
        if settled == "stale":
            flow.stale_tokens += 1
            continue
        if settled.outcome == "unknown" and flow.world.retries is not None:
            settled = await resolve(flow, payer, open_session, session, leg)
        return session, settled
    return session, Settlement("error")
