"""The app's address for webhooks: takes notices in, tells each once, and lets flows wait for one.

It knows no wire: a payer that expects notices registers what reads and acknowledges them. A notice
that cannot be read or was not signed by the provider is answered as that payer says and changes
nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from harness.record import Outcome


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider says of an order. The same event id is the same news told again."""

    event_id: str
    order_no: str
    outcome: Outcome
    fee_minor: int = 0


Receive = Callable[[httpx.Request], tuple[Notice | None, httpx.Response]]
"""Reads a notice, None for one that is not to be believed, and makes the answer to it."""


class Inbox:
    """One app's. `url` is what providers are given, with the receiver's name after it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._receivers: dict[str, Receive] = {}
        self._seen: set[str] = set()
        self._news: dict[str, asyncio.Queue[Notice]] = {}
        self._waiting: Counter[str] = Counter()
        self.repeated = 0
        """Notices that came again; each was acknowledged and told nobody."""
        self.forged = 0
        """Notices that were not to be believed."""

    def register(self, provider: str, receive: Receive) -> str:
        """The address for this payer's notices, its own even if others expect the provider's."""
        name, others = provider, 1
        while name in self._receivers:
            others += 1
            name = f"{provider}-{others}"
        self._receivers[name] = receive
        return f"{self.url}/{name}"

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take a delivery in; the last segment of its path names the receiver."""
        receive = self._receivers.get(request.url.path.rsplit("/", 1)[-1])
        if receive is None:
            return httpx.Response(404)
        notice, answer = receive(request)
        if notice is None:
            self.forged += 1
        elif notice.event_id in self._seen:
            self.repeated += 1
        else:
            self._seen.add(notice.event_id)
            self._of(notice.order_no).put_nowait(notice)
        return answer

    async def next(self, order_no: str) -> Notice:
        """The next news of that order, which may have come already. It waits for ever: how long
        to wait, and what to do then, is the caller's."""
        self._waiting[order_no] += 1
        try:
            return await self._of(order_no).get()
        finally:
            self._waiting[order_no] -= 1
            if not self._waiting[order_no]:
                del self._waiting[order_no]
                if self._of(order_no).empty():
                    # Most orders have one notice: nothing is kept of them but its id.
                    del self._news[order_no]

    def _of(self, order_no: str) -> asyncio.Queue[Notice]:
        return self._news.setdefault(order_no, asyncio.Queue())
