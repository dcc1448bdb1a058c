"""The one transport by which real providers are asked: what is not safe never reaches a socket.

Each request is held against the rules, the caps and the keys that were found; an order is in the
journal, on the disk, before it is sent. Whatever is wrong is Unsafe, which ends the run. It asks
nobody by itself: no retry, no redirect, no second try.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
import msgspec

from harness.clock import Clock, RealClock
from harness.real.answered import Watched, given_on, leading_nowhere, whole
from harness.real.caps import Caps, beyond
from harness.real.credentials import Found, problem_of
from harness.real.hosts import Origin, origin_of, why_not
from harness.real.journal import Entry, Journal, made_by
from harness.real.meter import Meter
from harness.real.outgoing import leaks, needle_of, outgoing
from harness.real.rules import NOTHING, Asked, Told, check_amount, judge, prefix_of, told
from harness.real.unsafe import Unsafe
from harness.real.usage import Price, Spent, cost_usd, price_of, spent_in
from harness.transport import Measured, MeasuringTransport, measure


@dataclass(slots=True)
class _Sending:
    """A request that may be sent. `spent_usd` is None as long as nothing tells it."""

    request: httpx.Request
    found: Found
    asked: Asked
    first: bool = False
    """Whether no try of its order went before."""
    price: Price | None = None
    set_aside_usd: float = 0.0
    spent_usd: float | None = None


class SafeTransport(MeasuringTransport):
    """Over the transport that does the sending, which must follow no redirect and read no proxy
    from the environment: `http1.Sockets`, or a stand-in for the whole internet in tests.

    Those of one run share its journal and its meter.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        found: Sequence[Found],
        caps: Caps,
        journal: Journal,
        meter: Meter,
        run_id: str,
        *,
        prices: Mapping[str, Price] = {},
        allow_production: bool = False,
    ) -> None:
        """`prices` are by the models' ids on the wire; without a price no model is asked.
        `allow_production` is the user's word for real orders at WeChat Pay."""
        if problems := [*beyond(caps), *beyond(meter.caps)]:
            raise ValueError("; ".join(problems))
        self._inner = inner
        self._caps = caps
        self._journal = journal
        self._meter = meter
        self._run_id = run_id
        self._prices = prices
        self._found: dict[Origin, list[tuple[bytes, Found]]] = {}
        for each in found:
            if problem := problem_of(each, allow_production):
                raise Unsafe(f"{each.provider}: {problem}")
            origin = origin_of(httpx.URL(each.endpoint.base_url))
            self._found.setdefault(origin, []).append((prefix_of(each).encode(), each))
        self._needles = {needle_of(each.endpoint.key) for each in found} - {b""}
        self._clock = RealClock()

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        """What `measure` does. A wait for the rate cap comes before the call and is no part of it;
        the meter counts it."""
        sending = await self._may_send(clock, request)
        try:
            took = await measure(self._inner, clock, sending.request, patience_s)
            if not took.fault:
                self._learn(sending, took.status, took.headers, took.body)
        finally:
            self._settle(sending)
        if "location" not in took.headers:
            return took
        return msgspec.structs.replace(took, headers=leading_nowhere(took.headers))

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        """No request goes over it yet, but no other host is ever connected to either."""
        self._at(url)
        if not isinstance(self._inner, MeasuringTransport):
            return None
        return await self._inner.connect(clock, url, patience_s)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For clients of somebody else's. A payment's answer is read whole before it is given on; a
        model's goes on as it comes, and is settled at its end."""
        sending = await self._may_send(self._clock, request)
        try:
            response = await self._inner.handle_async_request(sending.request)
            if sending.asked.kind != "ask":
                body = await whole(response)
                self._learn(sending, response.status_code, response.headers, body)
                return given_on(response, httpx.ByteStream(body))
        except BaseException:
            self._settle(sending)
            raise
        return given_on(
            response, Watched(response, lambda body: self._end(sending, response, body))
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    # Before it is sent

    async def _may_send(self, clock: Clock, request: httpx.Request) -> _Sending:
        """What the request is, when it may go. Until then nothing of it has left."""
        try:
            return await self._allowed(clock, request)
        except Unsafe as unsafe:
            raise Unsafe(f"{unsafe}; it was not sent") from None

    async def _allowed(self, clock: Clock, request: httpx.Request) -> _Sending:
        meter = self._meter
        self._go_on()
        sending = self._judged(outgoing(request, await request.aread()))
        found, asked = sending.found, sending.asked
        if asked.kind == "create":
            meter.count_order(found.provider, asked.order_no)
        meter.count(found.provider)
        if asked.kind == "ask":
            self._set_aside(sending)
        if asked.kind == "create":
            await self._write_ahead(sending)
        try:
            if found.pays:
                await self._hold_back(clock, sending.request.url.host)
            self._go_on()  # Somebody may have learned meanwhile that it must not be.
        except (Unsafe, asyncio.CancelledError):
            if asked.kind == "create" and sending.first:
                with _noting():
                    self._journal.closed(found.provider, asked.order_no, "not sent")
            raise
        return sending

    def _judged(self, request: httpx.Request) -> _Sending:
        found = self._one_of(self._at(request.url), request)
        if leaks(request, found.endpoint.key, self._needles):
            raise Unsafe(f"a request to {found.provider} with a key where none belongs")
        asked = judge(found, request)
        check_amount(found, asked, self._caps)
        known = self._entry(found, asked) if found.pays else None
        if asked.kind in ("close", "change") and known is None:
            raise Unsafe(f"a change of an order at {found.provider} that is none of this run's")
        if asked.kind == "create" and known is not None and not _is_same(asked, known):
            told = f"an order at {found.provider} that is tried again otherwise than before"
            raise Unsafe(f"{told}, which would make another one")
        return _Sending(request, found, asked, first=known is None)

    def _go_on(self) -> None:
        if self._meter.stopped:
            raise Unsafe(f"a request after {self._meter.stopped}")

    def _at(self, url: httpx.URL) -> list[tuple[bytes, Found]]:
        """Who was found there."""
        found = self._found.get(origin_of(url))
        if found is None:
            raise Unsafe(f"a request to {url.host[:80]!r}: {why_not(url.host)}")
        return found

    def _one_of(self, found: list[tuple[bytes, Found]], request: httpx.Request) -> Found:
        """Of several at one host, the one whose paths begin so, the longest first; of those with
        the same paths, as at a gateway, the one whose key it is."""
        if len(found) == 1:
            return found[0][1]
        path, told = request.url.raw_path, {value for _, value in request.headers.raw}

        def fits(each: tuple[bytes, Found]) -> tuple[int, bool]:
            key = each[1].endpoint.key.encode()
            length = len(each[0]) if path.startswith(each[0]) else -1
            return length, key in told or b"Bearer " + key in told

        return max(found, key=fits)[1]

    def _set_aside(self, sending: _Sending) -> None:
        asked = sending.asked
        price = price_of(asked.model, self._prices)
        if price is None:
            told = f"a model of {sending.found.provider} that has no price"
            raise Unsafe(f"{told}, so that nobody knows what it costs: give its profile one")
        most = cost_usd(price, Spent(asked.most_in, asked.most_out))
        self._meter.set_aside(most)
        sending.price, sending.set_aside_usd = price, most

    async def _hold_back(self, clock: Clock, host: str) -> None:
        now = clock.now()
        due = self._meter.due(host, now)
        if due > now:
            await clock.sleep_until(due)

    async def _write_ahead(self, sending: _Sending) -> None:
        found, asked = sending.found, sending.asked
        entry = Entry(
            provider=found.provider,
            mode=found.mode,
            order_no=asked.order_no,
            amount_minor=asked.amount_minor,
            currency=asked.currency,
            at=self._journal.now(),
            run_id=self._run_id,
            key=asked.key,
            txn_time=asked.txn_time,
            ends_at=asked.ends_at,
            by=made_by(found),
        )
        with _noting():
            await self._journal.intend(entry)

    # When it is answered

    def _learn(self, sending: _Sending, status: int, headers: httpx.Headers, body: bytes) -> None:
        if sending.asked.kind == "ask":
            self._learn_cost(sending, status, body)
            return
        if not sending.found.pays:
            return
        try:
            if body and headers.get("content-encoding", "identity").lower() != "identity":
                raise Unsafe(f"an answer of {sending.found.provider}'s that is compressed unasked")
            answer = told(sending.found, sending.asked, status, body)
        except Unsafe as unsafe:
            self._meter.stopped = str(unsafe)
            raise
        entry = self._entry(sending.found, sending.asked, answer)
        if entry is not None:  # Else it is of somebody else's order, or of none.
            with _noting():
                self._write_down(sending, answer, entry)

    def _learn_cost(self, sending: _Sending, status: int, body: bytes) -> None:
        assert sending.price is not None
        spent = spent_in(body)
        if spent is not None:
            sending.spent_usd = cost_usd(sending.price, spent)
        elif status != 200:
            sending.spent_usd = 0.0  # Nobody asks money for an error.

    def _write_down(self, sending: _Sending, answer: Told, entry: Entry) -> None:
        kind, journal = sending.asked.kind, self._journal
        if kind == "create":
            if answer.unmade and sending.first:
                journal.closed(*entry.name, "refused")
            elif answer.made:
                journal.created(*entry.name, answer.id)
        elif answer.id and answer.id != entry.id and kind == "read":
            journal.created(*entry.name, answer.id)
        if answer.closed and _is_over(answer, entry):
            journal.closed(*entry.name, answer.closed)

    def _entry(self, found: Found, asked: Asked, answer: Told = NOTHING) -> Entry | None:
        """The order that it is about, if it is one of ours."""
        provider, journal = found.provider, self._journal
        number = asked.order_no or answer.order_no
        number = number or journal.number_of(provider, answer.id or asked.id)
        return journal.entries.get((provider, number))

    def _end(self, sending: _Sending, response: httpx.Response, body: bytes | None) -> None:
        """A stream is over, or nobody wants the rest of it, which is None."""
        try:
            if body is not None:
                self._learn(sending, response.status_code, response.headers, body)
        finally:
            self._settle(sending)

    def _settle(self, sending: _Sending) -> None:
        """Once: what was set aside is free again, or spent, if nobody can say that it was less."""
        if sending.price is not None:
            spent = sending.set_aside_usd if sending.spent_usd is None else sending.spent_usd
            self._meter.settle(sending.set_aside_usd, spent)
            sending.price = None


@contextlib.contextmanager
def _noting() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise Unsafe(f"the journal of orders cannot be written ({why}): mend that first") from None


def _is_same(asked: Asked, known: Entry) -> bool:
    """By all that its provider knows an order by; under another key it would be another one."""
    told = (asked.amount_minor, asked.currency, asked.key, asked.txn_time)
    return told == (known.amount_minor, known.currency, known.key, known.txn_time)


def _is_over(answer: Told, entry: Entry) -> bool:
    if answer.closed == "refunded":
        return answer.back_minor >= entry.amount_minor
    # One that nobody has answered for may still be on its way there.
    return answer.closed != "not there" or entry.state == "created"
