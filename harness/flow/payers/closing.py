"""Closing orders that nobody pays, beside their turns: tried again until one is closed for sure.

It knows no wire, and no turn waits for it. Were a closing that failed left at that, somebody could
pay the order as long as it is good for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from harness.flow.flow import Flow
from harness.flow.payers import Payment
from harness.providers.call import ProviderFault

PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0, 600.0, 3600.0, 3600.0, 86_400.0)
"""Before each further try: an outage of a day is outlived. Scaled as think times are, and short on
the real clock, where a run waits for the last one."""

AFTER_ENDING_S = 10.0
"""Whoever could not end an order tries again soon: two at once would stand in each other's way."""

Close = Callable[[Flow, Payment], Coroutine[Any, Any, bool]]
"""One try: whether the order is not open any more. It may raise ProviderFault."""


class Closing:
    """One app's. It keeps which orders are being closed, so that no two close one."""

    def __init__(self, close: Close) -> None:
        self._close = close
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def beside(self, flow: Flow, payment: Payment, after_s: float = 0.0) -> None:
        """`after_s` is the pause before the first try."""
        number = payment.order_no
        if number not in self._under_way:
            task = self._under_way[number] = flow.fork(self._until_closed(flow, payment, after_s))
            # Not at the end of the work itself: cut off before it began, it would have none.
            task.add_done_callback(lambda _: self._under_way.pop(number))

    async def unless_ended(self, flow: Flow, payment: Payment, ending: Awaitable[bool]) -> bool:
        """Whether that ends the order; one of which it is not sure is closed beside the turn."""
        try:
            ended = await ending
        except ProviderFault:
            self.beside(flow, payment, AFTER_ENDING_S)
            raise
        if not ended:
            self.beside(flow, payment, AFTER_ENDING_S)
        return ended

    async def _until_closed(self, flow: Flow, payment: Payment, after_s: float) -> None:
        """The last try's fault is raised: whoever asks after the order later begins anew."""
        if after_s:
            await flow.pause(after_s)
        for pause_s in PAUSES_S:
            try:
                if await self._close(flow, payment):
                    return
            except ProviderFault:
                pass  # Its span tells of it.
            await flow.pause(pause_s)
        await self._close(flow, payment)
