"""Webhooks on their way: at least once, some twice, some late, tried again until they are taken.

What a notice says and how it is signed is its provider's; which address it goes to, the client's.
A draw of the seed decides its luck, and what goes wrong besides is told in faults/notices.py.
Whatever a delivery ends with, it ends there: the mock lives on. Not modelled: an order in which a
provider promises to send.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial

import httpx

from harness.clock import Clock
from harness.providers.told import DrawKey
from mocks.faults.notices import (
    LATE_S,
    MOST_HELD_S,
    STRAIGHT,
    Forge,
    StrikesNotice,
    Way,
    way_of,
)
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
    it waits for; `pause_scale` multiplies the waits before further tries, as think times are.
    `strikes` says what goes wrong; None is nothing."""

    def __init__(
        self,
        clock: Clock,
        delays: Delays,
        terms: WebhookTerms | None,
        deliver: Deliver | None,
        taken: Callable[[httpx.Response], bool],
        pause_scale: float = 1.0,
        strikes: StrikesNotice | None = None,
    ) -> None:
        self._clock = clock
        self._delays = delays
        self._terms = terms
        self._deliver = deliver
        self._taken = taken
        self._pause_scale = pause_scale
        self._strikes = strikes
        self._under_way: set[asyncio.Task[None]] = set()
        self._held: dict[str, asyncio.Event] = {}
        """By order, what ends the wait of its notice that is held back."""

    @property
    def under_way(self) -> int:
        """Notices, each copy by itself, that are neither taken nor given up."""
        return len(self._under_way)

    def send(
        self,
        key: DrawKey,
        what: str,
        after: float,
        make: MakeNotice,
        *,
        order_no: str = "",
        forge: Forge | None = None,
    ) -> None:
        """Send the notice on its way; `what` tells it from others of the same call, and `after` is
        the time of the clock from which its delay counts. One that is held back waits for the next
        of the same order, and what `forge` makes is carried beside a notice that is forged."""
        terms, deliver = self._terms, self._deliver
        if terms is None or deliver is None:
            return
        way = STRAIGHT
        if self._strikes is not None:
            way = way_of(self._strikes, key, forgeable=forge is not None)
        if way.forged and forge is not None:
            self._begin(self._carry_forged(deliver, after, forge))
        if way.lost:
            return
        overtaken = self._held.pop(order_no, None)
        held = self._held.setdefault(order_no, asyncio.Event()) if way.held else None
        twice = way.twice or self._delays.luck(key, f"{what} twice") < terms.twice_share
        for copy in range(1 + twice):
            due = self._due(terms, key, f"{what} {copy}", after, way, make)
            lost = self._delays.luck(key, f"{what} {copy} lost") < terms.lost_share
            waits = partial(self._waits, order_no, held, due) if held else None
            self._begin(self._carry(terms, deliver, make, due, lost, waits, overtaken))

    def _begin(self, carry: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(carry)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _due(
        self,
        terms: WebhookTerms,
        key: DrawKey,
        what: str,
        after: float,
        way: Way,
        make: MakeNotice,
    ) -> float:
        """When it is tried first. There may be nothing to tell as early as that."""
        if way.early and make() is not None:
            return self._clock.now()
        due = after + self._delay_s(terms, key, what)
        if self._delays.luck(key, f"{what} late") < terms.late_share:
            due += self._delay_s(terms, key, f"{what} late by")
        return due + LATE_S * way.late

    async def _carry(
        self,
        terms: WebhookTerms,
        deliver: Deliver,
        make: MakeNotice,
        due: float,
        lost: bool,
        waits: Callable[[], Awaitable[float]] | None,
        overtaken: asyncio.Event | None,
    ) -> None:
        if waits is not None:
            due = await waits()
        for pause_s in (0.0, *terms.retry_s):
            due += pause_s * self._pause_scale
            await self._clock.sleep_until(due)
            over = not lost and await self._is_over(deliver, make)
            if overtaken is not None:
                overtaken.set()
            if over:
                return
            lost = False

    async def _carry_forged(self, deliver: Deliver, at: float, forge: Forge) -> None:
        """Nobody tries a forgery twice."""
        await self._clock.sleep_until(at)
        for notice in forge():
            await self._is_over(deliver, partial(_same, notice))

    async def _waits(self, order_no: str, held: asyncio.Event, due: float) -> float:
        """Until the next notice of the order was sent, but not for ever; when that is."""
        await self._clock.sleep_until(due)
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_HELD_S):
                await held.wait()
        if self._held.get(order_no) is held:
            del self._held[order_no]
        return self._clock.now()

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


def _same(notice: httpx.Request) -> httpx.Request:
    return notice
