"""Webhooks on their way: at least once, some twice, some late, tried again until they are taken.

What a notice says and how it is signed is its provider's; which address it goes to, the client's.
A draw of the seed decides its luck. Not modelled: an order in which a provider promises to send.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from harness.clock import Clock
from harness.providers.told import DrawKey
from mocks.figures import WebhookTerms
from mocks.latency import Delays

Deliver = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Carries a notice to the app: in process, or over a socket. It may raise httpx.TransportError."""

MakeNotice = Callable[[], httpx.Request]
"""Signs the notice anew for each try: its time stamp is that of the sending."""


class Courier:
    """One provider's notices. `taken` says whether an answer is the receipt that it waits for."""

    def __init__(
        self,
        clock: Clock,
        delays: Delays,
        terms: WebhookTerms | None,
        deliver: Deliver | None,
        taken: Callable[[httpx.Response], bool],
    ) -> None:
        self._clock = clock
        self._delays = delays
        self._terms = terms
        self._deliver = deliver
        self._taken = taken
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, key: DrawKey, what: str, after: float, make: MakeNotice) -> None:
        """Send the notice on its way; `what` tells it from others of the same call, and `after` is
        the time of the clock from which its delay counts."""
        terms = self._terms
        if terms is None or self._deliver is None:
            return
        copies = 1 + (self._delays.luck(key, f"{what} twice") < terms.twice_share)
        for copy in range(copies):
            task = asyncio.create_task(self._carry(terms, key, f"{what} {copy}", after, make))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _carry(
        self, terms: WebhookTerms, key: DrawKey, what: str, after: float, make: MakeNotice
    ) -> None:
        due = after + self._delay_s(terms, key, what)
        if self._delays.luck(key, f"{what} late") < terms.late_share:
            due += self._delay_s(terms, key, f"{what} late by")
        lost = self._delays.luck(key, f"{what} lost") < terms.lost_share
        for pause_s in (0.0, *terms.retry_s):
            due += pause_s
            await self._clock.sleep_until(due)
            if not lost and await self._hand_over(make()):
                return
            lost = False

    def _delay_s(self, terms: WebhookTerms, key: DrawKey, what: str) -> float:
        return self._delays.drawn_s(key, what, terms.p50_ms / 1e3, terms.p99_ms / 1e3)

    async def _hand_over(self, notice: httpx.Request) -> bool:
        assert self._deliver is not None
        try:
            answer = await self._deliver(notice)
            await answer.aread()
        except httpx.TransportError:
            return False
        return self._taken(answer)
