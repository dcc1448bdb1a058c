"""What the mocks tell of themselves beside the wires: health, books, journals, faults, as JSON.

GET only; it changes nothing. Where a world is meant that is not the plain one, `?world=` names it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import isnan, nan

import httpx
import msgspec

from harness.answer import Answer
from harness.clock import Clock
from harness.providers.told import encode_draw
from mocks.audit import accounts
from mocks.desk import Journal, Served
from mocks.host import Host
from mocks.ledger import Entry
from mocks.worlds import Worlds

Json = Mapping[str, object] | Sequence[msgspec.Struct]

_PREFIX = re.compile(r"[0-9a-f]{0,32}", re.ASCII)


class _No(Exception):
    """The question cannot be answered."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Admin:
    """The door to all worlds, with pages of its own at paths that begin with an underscore."""

    clock: Clock
    worlds: Worlds
    seed: int
    began: float
    """By the clock."""
    workers: int = 1
    """Processes that serve them."""

    def decide(self, request: httpx.Request) -> Answer:
        path = request.url.path
        if not path.startswith("/_"):
            return self.worlds.decide(request)
        try:
            return self._json(200, self._page(request.method, path)(request.url.params))
        except _No as no:
            return self._json(no.status, {"error": str(no)})

    def _page(self, method: str, path: str) -> Callable[[httpx.QueryParams], Json]:
        pages: dict[str, Callable[[httpx.QueryParams], Json]] = {
            "/_health": self._health,
            "/_ledger": self._ledger,
            "/_books": self._books,
            "/_spans": self._spans,
            "/_faults": self._faults,
        }
        if path not in pages:
            raise _No(404, f"no page {path!r}; there are {', '.join(pages)}")
        if method not in ("GET", "HEAD"):
            raise _No(405, f"{path} is only told, to GET")
        return pages[path]

    def _health(self, _: httpx.QueryParams) -> Json:
        return {
            "status": "ok",
            "version": version("tollbench"),
            "seed": self.seed,
            "uptime_s": round(self.clock.now() - self.began, 3),
            "workers": self.workers,
            "worlds": list(self.worlds),
        }

    def _ledger(self, asked: httpx.QueryParams) -> Json:
        """Every order of every payment provider, or of one, in the order of their booking."""
        payments = self._host(asked).payments
        only = asked.get("provider")
        if only is not None and only not in payments:
            raise _No(404, f"no books of {only!r}; there are those of {', '.join(payments)}")
        return {
            name: [_entry(entry) for entry in payment.ledger]
            for name, payment in payments.items()
            if only in (None, name)
        }

    def _books(self, asked: httpx.QueryParams) -> Json:
        """The account of each payment provider, whole: a list of harness.books.Account."""
        return accounts(self._host(asked))

    def _faults(self, asked: httpx.QueryParams) -> Json:
        """How often each fault struck since the world began, by the stage that it struck."""
        told: dict[str, dict[str, int]] = defaultdict(dict)
        for (fault, stage), n in sorted(self._host(asked).setting.strikes_by.items()):
            told[fault][stage] = n
        return told

    def _spans(self, asked: httpx.QueryParams) -> Json:
        """The newest calls, newest last; `since` leaves out what arrived until then, and `trace`
        all but those whose trace id begins so. Its times are the clock's, and `clock_s` is now, to
        be asked with the next time."""
        since = asked.get("since", "-inf")
        try:
            after = float(since)
        except ValueError:
            after = nan
        if isnan(after):
            raise _No(400, f"since must be a time of the clock in seconds, not {since!r}")
        prefix = asked.get("trace", "")
        if not _PREFIX.fullmatch(prefix):
            raise _No(400, f"trace must be up to 32 lower-case hex digits, not {prefix!r}")
        journal = self._host(asked).setting.journal
        spans = [_span(call) for call in _newest(journal, after) if call.trace.startswith(prefix)]
        return {"clock_s": self.clock.now(), "spans": spans[::-1]}

    def _json(self, status: int, told: Json) -> Answer:
        body = msgspec.json.encode(told)
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        return Answer(status, headers, [self.clock.now()], [body])

    def _host(self, asked: httpx.QueryParams) -> Host:
        name = asked.get("world", "")
        host = self.worlds.get(name)
        if host is None:
            raise _No(404, f"no world {name!r} was used; there are {list(self.worlds)}")
        return host


def _entry(entry: Entry) -> Json:
    terms = entry.terms
    return {
        "order_no": entry.order_no,
        "state": entry.state,
        "amount_minor": terms.amount_minor if terms else 0,
        "currency": terms.currency if terms else None,
        "payee": terms.payee if terms else None,
        "method": terms.method if terms else None,
        "bill": (terms.bill or None) if terms else None,
        "fee_minor": entry.fee_minor,
        "refunded_minor": entry.refunded_minor,
        "refunds": entry.refunds,
    }


def _newest(journal: Journal, after: float) -> Iterator[Served]:
    """The calls that arrived after that, newest first. They stand in the order of their arrival, so
    the older ones are not looked at: who asks often must not hold back those who wait."""
    for call in reversed(journal):
        if call.arrived <= after:
            return
        yield call


def _span(call: Served) -> Json:
    return {
        "provider": call.provider,
        "draw": encode_draw(call.key),
        "method": call.method,
        "path": call.path,
        "trace": call.trace,
        "arrived_s": call.arrived,
        "ended_s": call.arrived + call.injected_ms / 1e3,
        "injected_ms": call.injected_ms,
        "queue_ms": call.queue_ms,
        "work_ms": call.work_ms,
        "status": call.status,
    }
