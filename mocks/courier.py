"""Webhooks on their way: at least once, some twice, some late, tried again until they are taken.

What a notice says and how it is signed is its provider's; which address it goes to, the client's.
A draw of the seed decides its luck. Whatever a delivery ends with, it ends there: the mock lives
on. Not modelled: an order in which a provider promises to send.
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

MakeNotice = Callable[[], httpx.Request | None]
"""Signs the notice anew for each try: its time stamp is that of the sending. None when by then
there is nothing to tell."""

PATIENCE_S = 5.0
"""How long an app may take to answer a notice: WeChat Pay's figure, taken for all."""


class Courier:
    """One provider's notices. `taken` says whether an answer, read to its end, is the receipt that
    it waits for; `pause_scale` multiplies the waits before further tries, as think times are."""

    def __init__(
        self,
        clock: Clock,
        delays: Delays,
        terms: WebhookTerms | None,
        deliver: Deliver | None,
        taken: Callable[[httpx.Response], bool],
        pause_scale: float = 1.0,
    ) -> None:
        self._clock = clock
        self._delays = delays
        self._terms = terms
        self._deliver = deliver
        self._taken = taken
        self._pause_scale = pause_scale
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """Notices, each copy by itself, that are neither taken nor given up."""
        return len(self._under_way)

    def send(self, key: DrawKey, what: str, after: float, make: MakeNotice) -> None:
        """Send the notice on its way; `what` tells it from others of the same call, and `after` is
        the time of the clock from which its delay counts."""
        terms = self._terms
        if terms is None or self._deliver is None:
            return
        copies = 1 + (self._delays.luck(key, f"{what} twice") < terms.twice_share)
        for copy in range(copies):
            carry = self._carry(terms, self._deliver, key, f"{what} {copy}", after, make)
            task = asyncio.create_task(carry)
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _carry(
        self,
        terms: WebhookTerms,
        deliver: Deliver,
        key: DrawKey,
        what: str,
        after: float,
        make: MakeNotice,
    ) -> None:
        due = after + self._delay_s(terms, key, what)
        if self._delays.luck(key, f"{what} late") < terms.late_share:
            due += self._delay_s(terms, key, f"{what} late by")
        lost = self._delays.luck(key, f"{what} lost") < terms.lost_share
        for pause_s in (0.0, *terms.retry_s):
            due += pause_s * self._pause_scale
            await self._clock.sleep_until(due)
            if not lost and await self._is_over(deliver, make):
                return
            lost = False

    def _delay_s(self, terms: WebhookTerms, key: DrawKey, what: str) -> float:
        return self._delays.timed_s(key, what, terms)

    async def _is_over(self, deliver: Deliver, make: MakeNotice) -> bool:
        """One try: whether the notice was taken, or there is none any more."""
        try:
            notice = make()
            if notice is None:
                return True
            async with asyncio.timeout(PATIENCE_S):
                answer = await deliver(notice)
                await answer.aread()
            return self._taken(answer)
        except (httpx.HTTPError, TimeoutError, OSError):
            return False
        except Exception as bug:
            # An app on a socket would have answered 500. It is told to whoever runs this loop, and
            # the notice is tried again: a bug in the app is none in its provider.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a webhook's delivery failed", "exception": bug}
            )
            return False
