"""After a fault in a payment, whether money moved is open: what settles it. It never pays again."""

from collections.abc import Callable, Coroutine
from typing import Any

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Session, Settlement
from harness.providers.call import ProviderFault


async def resolve(
    flow: Flow,
    payer: Payer,
    session_again: Callable[[], Coroutine[Any, Any, Session]],
    session: Session,
    payment: Payment,
) -> Settlement:
    """Ask how the payment stands, and take back what the provider cannot tell. The call may have
    outlived its session: `session_again` gives one that is good."""
    try:
        session = await session_again()
        settled = await payer.query(flow, session, payment)
        if settled is not None:
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
