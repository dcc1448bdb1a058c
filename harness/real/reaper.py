"""Ends what a run on real targets has left open: closes, cancels or gives back, as far as can be.

It makes no order: its caps allow none. Whatever it asks is checked as a run's is, and what becomes
of each order is in its journal. So it may be run twice, and be cut off at any time.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from harness.clock import Clock
from harness.providers.call import ProviderFault, Unauthorized, cause
from harness.real.caps import LEAST_MINOR, MOST_MINOR, MOST_REQUESTS, Caps, most_minor
from harness.real.closing import CLOSERS, Caller, Closer, Over, Stays
from harness.real.credentials import Found
from harness.real.journal import Entry, Journal, made_by
from harness.real.meter import Meter
from harness.real.safe import SafeTransport
from harness.real.unsafe import Unsafe

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Between the tries of one order."""
ON_ITS_WAY_S = 30.0
"""So long after it was sent an order may still come that the provider does not know yet."""
AT_ONCE = 5
"""Requests to one provider; they are held to the cap on those of a second besides."""
WIDEST = Caps(order_minor=dict.fromkeys(LEAST_MINOR, MOST_MINOR))
"""The caps on orders that no run goes beyond."""

STILL = "its run goes on, or another reaping: reap when that is over"


@dataclass(frozen=True, slots=True)
class Left:
    """An order that is open after all."""

    provider: str
    order_no: str
    why: str


def meter_of_reaping() -> Meter:
    """What all who reap share: the rate cap, and that an answer has stopped it."""
    return Meter(Caps(orders=0, wechat_orders=0, requests=MOST_REQUESTS))


async def reap(
    journal: Journal,
    found: Mapping[str, Found],
    inner: httpx.AsyncBaseTransport,
    clock: Clock,
    meter: Meter | None = None,
) -> list[Left]:
    """What could not be ended, in the order in which it was made. `inner` does the sending."""
    if not journal.take_alone():
        return [_left(entry, STILL) for entry in journal.open]
    entries = journal.open
    meant = [entry for entry in entries if not _unfit(entry, found)]
    providers = sorted({entry.provider for entry in meant})
    safe = SafeTransport(
        inner,
        [found[provider] for provider in providers],
        _caps(meant),
        journal,
        meter or meter_of_reaping(),
        "",
        allow_production=True,  # To close is what the real orders there want.
    )
    closers = {
        provider: CLOSERS[provider](
            found[provider].endpoint, [entry for entry in meant if entry.provider == provider]
        )
        for provider in providers
    }
    callers = {provider: Caller(safe, clock, AT_ONCE) for provider in providers}

    async def end(entry: Entry) -> Left | None:
        why, provider = _unfit(entry, found), entry.provider
        why = why or await _end(closers[provider], callers[provider], clock, journal, entry)
        return _left(entry, why) if why else None

    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(end(entry)) for entry in entries]
    return [left for each in ends if (left := each.result())]


async def _end(closer: Closer, caller: Caller, clock: Clock, journal: Journal, entry: Entry) -> str:
    """Why it is open after all, "" where it is not."""
    try:
        return await _tried(closer, caller, clock, journal, entry)
    except OSError as error:
        return f"its journal cannot be written ({error.strerror or error}): mend that first"


async def _tried(
    closer: Closer, caller: Caller, clock: Clock, journal: Journal, entry: Entry
) -> str:
    why = ""
    for wait_s in (0.0, *WAITS_S):
        await clock.sleep_until(clock.now() + wait_s)
        stands = await _step(closer, caller, journal.entries[entry.name])
        if isinstance(stands, Over):
            journal.closed(*entry.name, stands.how)
            return ""
        if journal.entries[entry.name].state == "closed":
            # By what one answer said, and others do not bear out.
            journal.created(*entry.name)
        why = stands.why
        if not stands.again:
            break
    return why


async def _step(closer: Closer, caller: Caller, entry: Entry) -> Over | Stays:
    try:
        stands = await closer.step(caller, entry)
    except ProviderFault as fault:
        return Stays(cause(fault), again=not isinstance(fault, Unauthorized))
    except Unsafe as unsafe:
        return Stays(str(unsafe), again=False)
    return _absent(entry, caller.now_s()) if stands == "absent" else stands


def _absent(entry: Entry, now_s: float) -> Over | Stays:
    if entry.state == "created" or now_s - entry.at >= ON_ITS_WAY_S:
        return Over("not there")
    return Stays("the provider does not know it yet, and it may be on its way there")


def _unfit(entry: Entry, found: Mapping[str, Found]) -> str:
    """Why nobody is asked about it, "" where somebody is."""
    of = found.get(entry.provider)
    if entry.provider not in CLOSERS:
        return "nobody here can end an order of that provider"
    if of is None:
        return "no credentials of its provider were found"
    if entry.by not in ("", made_by(of)):
        # To them it would only not be there.
        return "it was made by other credentials than those that were found: set those"
    if not 0 < entry.amount_minor <= most_minor(WIDEST, entry.provider, entry.currency):
        return "no run makes an order of such an amount: whose journal is it?"
    return ""


def _caps(entries: list[Entry]) -> Caps:
    """No order, and refunds of no more than what was made."""
    most: dict[str, int] = {}
    for entry in entries:
        most[entry.currency] = max(most.get(entry.currency, 0), entry.amount_minor)
    return Caps(orders=0, wechat_orders=0, order_minor=most, requests=MOST_REQUESTS)


def _left(entry: Entry, why: str) -> Left:
    return Left(entry.provider, entry.order_no, why)
