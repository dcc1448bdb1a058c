"""What settles a payment of which it is open whether money moved, or that is not wanted any more:
now, and again later. It never pays again."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec.structs import replace

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement
from harness.providers.call import ProviderFault

PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 43_200.0)
"""Before each look at what stayed unknown, each scaled as think times are, but never made longer;
after the last one it is somebody's to look into. All of them end well within a day: Stripe keeps an
idempotency key for so long, and a refund that is sent again after that is another one."""


async def resolve(
    flow: Flow,
    payer: Payer,
    session_again: Callable[[], Awaitable[Session]],
    session: Session,
    payment: Payment,
    *,
    again: bool = False,
) -> Settlement:
    """Ask how the payment stands, and take back what the provider cannot tell. The call may have
    outlived its session: `session_again` gives one that is good. Where it is done `again`, a
    payment that is told of as refunded was taken back by an earlier try of which nothing was heard:
    the app refunds nothing that is not settled yet."""
    try:
        session = await session_again()
        settled = await payer.query(flow, session, payment)
        if again and settled is not None and settled.outcome == "refunded":
            return replace(settled, outcome="reversed")
        if settled is not None and settled.outcome != "unknown":
            return settled
    except ProviderFault:
        pass  # The query is only the cheaper way; voiding settles it too.
    taken_back = await voided(flow, payer, session, payment)
    return Settlement("reversed" if taken_back else "unknown")


async def voided(flow: Flow, payer: Payer, session: Session, payment: Payment) -> bool:
    """Whether the payment is taken back for good."""
    try:
        return await payer.void(flow, session, payment)
    except ProviderFault:
        return False


async def take_back(
    flow: Flow, payer: Payer, session_again: Callable[[], Awaitable[Session]], payment: Payment
) -> Settlement:
    """Undo a payment that is not wanted any more; where that is refused, give all of it back. It is
    "reversed" when that is sure, "unknown" when it is not; anything else is how the payment stands
    where its provider allows neither."""
    whole = Refund(f"{payment.order_no}-v", payment.wish.amount_minor)
    try:
        session = await session_again()
        if await payer.void(flow, session, payment):
            return Settlement("reversed")
        given = await payer.refund(flow, session, payment, whole)
        if given != "stale" and given.outcome == "refunded":
            return Settlement("reversed", given.fee_minor)
        stands = await payer.query(flow, session, payment)
    except ProviderFault:
        return Settlement("unknown")
    if stands is not None and stands.outcome == "refunded":
        return replace(stands, outcome="reversed")
    return stands or Settlement("unknown")


async def later(flow: Flow, look: Callable[[], Awaitable[Settlement]]) -> Settlement:
    """How it stands once `look` can tell; "unknown" when it never could."""
    for pause_s in PAUSES_S:
        await flow.pause(pause_s / max(1.0, flow.world.think_scale))
        with suppress(ProviderFault):
            settled = await look()
            if settled.outcome != "unknown":
                return settled
    return Settlement("unknown")
