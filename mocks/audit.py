"""The books of all payment mocks of a host as plain data, to be held against what apps believe; it
changes nothing, and judges nothing.

Where a mock has objects of its own that tell of the same money, what is owed is told by them, and
the movements by the ledger: so whoever holds one against the other holds the two together.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from msgspec import structs

from harness.books import Account, Order, Trespass
from mocks.host import Host, PaymentMock
from mocks.ledger import Entry, Standing, Terms


@runtime_checkable
class Keeps(Protocol):
    """A mock whose wire has books beside the ledger."""

    @property
    def settled_minor(self) -> Mapping[str, int]: ...

    def stands(self, entry: Entry) -> Standing: ...


@runtime_checkable
class EndsBySelf(Protocol):
    """A mock whose wire closes no order: one that nobody pays ends after its time."""

    @property
    def runs_out(self) -> Literal[True]: ...


def accounts(host: Host) -> list[Account]:
    """One for each payment lane. They share the movements with the ledger, and are good until the
    next call is decided."""
    providers = {lane: profile.provider for lane, profile in host.config.pay.items()}
    trespasses = _by_lane(host, providers)
    return [
        Account(
            lane,
            orders_of(mock),
            mock.ledger.movements,
            dict(mock.settled_minor if isinstance(mock, Keeps) else mock.ledger.settled_minor),
            trespasses.get(lane, []),
        )
        for lane, mock in host.payments.items()
    ]


def orders_of(mock: PaymentMock) -> list[Order]:
    """In the order of their booking. An order that the mock's own objects and the ledger tell
    differently of is told by both, so that no sum of the two holds."""
    if isinstance(mock, EndsBySelf):
        return [
            structs.replace(order, runs_out=order.state == "open")
            for order in (_order(entry, _standing(entry)) for entry in mock.ledger)
        ]
    if not isinstance(mock, Keeps):
        return [_order(entry, _standing(entry)) for entry in mock.ledger]
    orders = []
    for entry in mock.ledger:
        own, booked = mock.stands(entry), _standing(entry)
        orders += [_order(entry, of) for of in ([booked] if own == booked else [own, booked])]
    return orders


def _by_lane(host: Host, providers: Mapping[str, str]) -> dict[str, list[Trespass]]:
    """What belongs to a provider goes to its first lane, and what belongs to none of them to the
    first of all."""
    first: dict[str, str] = {}
    for lane, provider in providers.items():
        first.setdefault(provider, lane)
    told: dict[str, list[Trespass]] = {}
    for provider, trespass in host.setting.trail.noted:
        lane = first.get(provider) or next(iter(providers), "")
        told.setdefault(lane, []).append(trespass)
    return told


def _standing(entry: Entry) -> Standing:
    amount_minor = entry.terms.amount_minor if entry.terms else 0
    refunded_minor = entry.refunded_minor if entry.refunds else 0
    return Standing(entry.state, amount_minor, refunded_minor, entry.fee_minor)


def _order(entry: Entry, stands: Standing) -> Order:
    terms = entry.terms or _NOBODYS
    return Order(
        entry.order_no, entry.intent, terms.user, terms.method, stands.amount_minor,
        terms.currency, stands.state, stands.refunded_minor, stands.fee_minor, terms.bill,
    )  # fmt: skip


_NOBODYS = Terms("", "", "", 0, "", "")
"""Of a number that was voided before any payment came."""
