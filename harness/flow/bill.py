"""A bill that several people share: its legs, and paying all of them or none; it reads no wish."""

import asyncio
from collections.abc import Sequence

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Session, Settlement
from harness.flow.recover import resolve, voided
from harness.flow.wish import SplitWish, Wish
from harness.providers.call import Malformed, ProviderFault
from harness.record import Outcome


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


async def settle_bill(flow: Flow, payer: Payer, legs: Sequence[Payment]) -> Settlement:
    """All legs side by side; unless every one is paid, those that are paid are taken back. A leg
    that the provider would not even take in is its fault, told when nothing is left open."""
    flow.cold = payer.has_sessions
    ends = await asyncio.gather(*(_settle_leg(flow, payer, leg) for leg in legs))
    outcomes = {end.outcome for _, end in ends}
    if outcomes == {payer.good_end}:
        fee_minor = sum(end.fee_minor for _, end in ends)
        flow.fee_minor += fee_minor
        return Settlement(payer.good_end, fee_minor)
    pairs = zip(ends, legs, strict=True)
    paid = [(at, leg) for (at, end), leg in pairs if at and end.outcome == payer.good_end]
    back = await asyncio.gather(*(voided(flow, payer, at, leg) for at, leg in paid))
    if "unknown" in outcomes or not all(back):
        return Settlement("unknown")
    if "error" in outcomes:
        raise Malformed("a leg of the bill could not be sent")
    return Settlement("reversed" if paid or "reversed" in outcomes else "declined")


async def query_bill(flow: Flow, payer: Payer, legs: Sequence[Payment]) -> Outcome:
    """How a bill stands: as its legs do, where all say the same; paid only when every leg is."""
    stands = await asyncio.gather(*(_query_leg(flow, payer, leg) for leg in legs))
    outcomes: set[Outcome] = {told.outcome if told else "unknown" for told in stands}
    if len(outcomes) == 1:
        return outcomes.pop()
    # Of a bill that came to nothing some legs were declined and the others taken back.
    return "reversed" if outcomes <= {"declined", "reversed", "refunded"} else "unknown"


async def _query_leg(flow: Flow, payer: Payer, leg: Payment) -> Settlement | None:
    """Only the person who pays a leg can ask after it."""
    session = await payer.open_session(flow, leg.user, leg.wish.method)
    return await payer.query(flow, session, leg)


async def _settle_leg(flow: Flow, payer: Payer, leg: Payment) -> tuple[Session | None, Settlement]:
    """One person's leg, in a session of that person's own; "error" when it was never sent."""

    async def open_session() -> Session:
        return await payer.open_session(flow, leg.user, leg.wish.method)

    try:
        session = await open_session()
    except ProviderFault:
        return None, Settlement("error")
    try:
        settled = await payer.authorize(flow, session, leg)
    except ProviderFault:
        return session, await resolve(flow, payer, open_session, session, leg)
    return session, Settlement("error") if settled == "stale" else settled
