"""The app's address for webhooks: takes notices in, tells each once, and lets flows wait for one.

It knows no wire: a payer that expects notices registers what reads and acknowledges them. A notice
that cannot be read or was not signed by the provider is answered as that payer says and changes
nothing. News comes in any order, and money that is back stays back: what was true before that is
acknowledged and told nobody.
"""

import asyncio
from collections import Counter, OrderedDict
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


BACK: frozenset[Outcome] = frozenset({"refunded", "reversed"})
"""The money is on its way back, for good."""

KEPT = 250_000
"""Of the newest: events that were told, and orders whose money is back. No provider tells an app
again for longer than a day or so, and of an older event nobody waits any more."""

KEPT_UNREAD = 10_000
"""Orders of which there is news, and nobody has asked for it; the newest."""

Receive = Callable[[httpx.Request], tuple[Notice | None, httpx.Response]]
"""Reads a notice, None for one that is not to be believed, and makes the answer to it."""


class Inbox:
    """One app's. `url` is what providers are given, with the receiver's name after it."""

    def __init__(self, url: str, *, kept: int = KEPT, kept_unread: int = KEPT_UNREAD) -> None:
        self.url = url
        self._receivers: dict[str, Receive] = {}
        self._seen = _Newest(kept)
        self._back = _Newest(kept)
        self._news: OrderedDict[str, asyncio.Queue[Notice]] = OrderedDict()
        self._kept_unread = kept_unread
        self._waiting: Counter[str] = Counter()
        self.repeated = 0
        """Notices that came again; each was acknowledged and told nobody."""
        self.forged = 0
        """Notices that were not to be believed."""
        self.outdated = 0
        """Notices of what was so before the money went back; nobody was told."""

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
            self._tell(notice)
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

    def _tell(self, notice: Notice) -> None:
        """Unless it tells of what was so before. What is unread of that is told nobody either."""
        order_no = notice.order_no
        if notice.outcome in BACK:
            self._back.add(order_no)
            self._drop_outdated(order_no)
        elif order_no in self._back:
            self.outdated += 1
            return
        self._of(order_no).put_nowait(notice)
        self._forget_oldest()

    def _drop_outdated(self, order_no: str) -> None:
        news = self._of(order_no)
        for notice in [news.get_nowait() for _ in range(news.qsize())]:
            if notice.outcome in BACK:
                news.put_nowait(notice)
            else:
                self.outdated += 1

    def _of(self, order_no: str) -> asyncio.Queue[Notice]:
        news = self._news.get(order_no)
        if news is None:
            news = self._news[order_no] = asyncio.Queue()
        return news

    def _forget_oldest(self) -> None:
        """Of a refund a provider tells too, and nobody asks: such news would add up. Whoever waits
        for some keeps its place."""
        while len(self._news) - len(self._waiting) > self._kept_unread:
            oldest = next(iter(self._news))
            if oldest in self._waiting:
                self._news.move_to_end(oldest)
            else:
                del self._news[oldest]


class _Newest:
    """Names, each once; of more than so many the oldest is forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        # A dict is slow to tell which of its items is the oldest.
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        self._names[name] = None
        if len(self._names) > self._most:
            self._names.popitem(last=False)
