"""The provider's books: every order, where it stands, what was captured, given back and charged.

It knows nothing of wires or delays, and of time only what it is told. An order number names one
business intent for ever: the same number with the same terms is answered again, with other terms it
is refused. Each provider's mock puts these answers into its own words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import structs

from harness.books import SIGNS, Moved, Movement, intent_of
from harness.providers.told import DrawKey

BLOCKED_PAYEE = "payee-blocked"
"""Paying this payee is always declined: how a scenario asks for a decline."""

BROKE_USER = "broke"
"""A user of this name, or one whose name ends so after a dash, cannot pay."""

State = Literal["open", "paid", "declined", "voided", "refunded"]
No = Literal["declined", "other_terms", "closed", "not_found", "exceeds", "malformed"]


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What is to be paid, by whom, how and to whom. `bill` names a shared bill of `bill_minor` in
    all that this order is a leg of, "" for none."""

    order_no: str
    user: str
    method: str
    amount_minor: int
    currency: str
    payee: str
    bill: str = ""
    bill_minor: int = 0


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The books' rules forbid it, and nothing was changed."""

    no: No
    why: str


@dataclass(slots=True)
class Entry:
    """One order. `terms` is None for a number that was voided before any payment came."""

    order_no: str
    terms: Terms | None
    state: State
    number: int
    """Of this entry in the books, from 0: what a provider's own transaction id is made from."""
    fee_minor: int = 0
    refunds: dict[str, int] = field(default_factory=dict)
    intent: str = ""
    """The turn whose call first named it, "ROUND.CONVERSATION.TURN"; "" where none was told."""

    @property
    def refunded_minor(self) -> int:
        return sum(self.refunds.values())


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How an order stands by a wire's own objects."""

    state: State
    amount_minor: int
    refunded_minor: int
    fee_minor: int


class Ledger:
    """Orders by number. Every method answers the entry, or the refusal that the rules demand.

    `user` is who asks; to anybody but the one who paid, a number does not exist. A provider whose
    wire names no user leaves it out.

    `movements` are only ever added to. `settled_minor`, what is owed to the merchant by currency,
    goes along with them and is never worked out from the orders: so each can be held against the
    other. `on_movement` is told of each, once it stands.
    """

    def __init__(self, fee: Callable[[Terms], int]) -> None:
        self.movements: list[Movement] = []
        self.settled_minor: dict[str, int] = {}
        self.on_movement: Callable[[Movement], None] | None = None
        self._fee = fee
        self._entries: dict[str, Entry] = {}
        self._legs: dict[str, list[Entry]] = {}
        """Of every shared bill, whatever became of them."""
        self._heard: DrawKey | None = None
        self._at_s = 0.0

    def hear(self, key: DrawKey | None, at_s: float) -> None:
        """Which call is about to be decided, and when; what it books is its doing."""
        self._heard = key
        self._at_s = at_s

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def open(self, terms: Terms) -> Entry | Refused:
        """An order that is known and not paid yet."""
        entry = self._entries.get(terms.order_no)
        if entry is None:
            if refused := self._breach(terms):
                return refused
            return self._add(terms.order_no, terms, "open")
        if entry.terms is None:
            return Refused("closed", "this order number was voided")
        if entry.terms != terms:
            return Refused("other_terms", "this order number was used with other terms")
        return entry

    def capture(self, terms: Terms, at_s: float | None = None) -> Entry | Refused:
        """Pay the order, opened before or not. A declined one stays in the books as declined. Where
        no call pays it, but time that has passed, `at_s` is when."""
        entry = self.open(terms)
        if isinstance(entry, Refused):
            return entry
        if entry.state == "open":
            if declines(terms):
                entry.state = "declined"
            else:
                entry.state, entry.fee_minor = "paid", self._fee(terms)
                self._move(terms, "captured", terms.amount_minor, at_s)
                self._move(terms, "fee", entry.fee_minor, at_s)
        if entry.state == "declined":
            return Refused("declined", "the payee is blocked, or the payer has no money")
        return entry

    # Where a wire lets an order be tried more than once, or paid in less than its whole:

    def decline(self, order_no: str) -> None:
        """Note that an open order was tried and declined, for a reason that is not the books'."""
        if self._entries[order_no].state == "open":
            self._entries[order_no].state = "declined"

    def reopen(self, order_no: str) -> None:
        """A declined order is about to be tried again."""
        if self._entries[order_no].state == "declined":
            self._entries[order_no].state = "open"

    def lower(self, order_no: str, amount_minor: int) -> None:
        """Only so much of an open order will be captured."""
        entry = self._entries[order_no]
        assert entry.terms and entry.state == "open" and amount_minor <= entry.terms.amount_minor
        entry.terms = structs.replace(entry.terms, amount_minor=amount_minor)

    def find(self, order_no: str, user: str | None = None) -> Entry | Refused:
        entry = self._entries.get(order_no)
        return _NOT_FOUND if entry is None or _paid(entry, user) is None else entry

    def void(self, order_no: str, user: str | None = None) -> Entry | Refused:
        """Undo the whole payment. A number that is not known yet is closed for good, so that a
        payment still on its way cannot be captured after the client gave it up."""
        entry = self._entries.get(order_no)
        if entry is None:
            return self._add(order_no, None, "voided")
        if entry.terms is not None and _paid(entry, user) is None:
            return _NOT_FOUND
        if entry.state in ("declined", "refunded") or entry.refunds:
            return Refused("closed", f"a {entry.state} order cannot be voided")
        if entry.terms is not None and entry.state == "paid":
            self._move(entry.terms, "voided", entry.terms.amount_minor)
            self._move(entry.terms, "fee back", entry.fee_minor)
        entry.state, entry.fee_minor = "voided", 0
        return entry

    def refund(
        self,
        order_no: str,
        refund_no: str,
        amount_minor: int,
        currency: str | None = None,
        user: str | None = None,
    ) -> Entry | Refused:
        """Give back an amount under a number of its own, in parts if wished. The fee stays."""
        entry = self._entries.get(order_no)
        if entry is None or (paid := _paid(entry, user)) is None:
            return _NOT_FOUND
        if not refund_no or amount_minor <= 0:
            return Refused("malformed", "a refund needs refund_no and a positive amount")
        if refund_no in entry.refunds:
            if entry.refunds[refund_no] != amount_minor:
                return Refused("other_terms", "this refund number was used with other terms")
            return entry
        if entry.state not in ("paid", "refunded"):
            return Refused("closed", f"a {entry.state} order cannot be refunded")
        if currency not in (None, paid.currency):
            return Refused("malformed", f"the payment was made in {paid.currency}")
        if entry.refunded_minor + amount_minor > paid.amount_minor:
            return Refused("exceeds", "more than what is left of the payment")
        entry.refunds[refund_no] = amount_minor
        entry.state = "refunded"
        self._move(paid, "refunded", amount_minor)
        return entry

    def billed(self, bill: str) -> int:
        """What stands of a shared bill: legs that were declined or voided do not count, and what
        was given back has to be paid again."""
        return sum(
            entry.terms.amount_minor - entry.refunded_minor
            for entry in self._legs.get(bill, ())
            if entry.terms and entry.state in ("open", "paid", "refunded")
        )

    def _breach(self, terms: Terms) -> Refused | None:
        if terms.amount_minor <= 0:
            return Refused("malformed", "the amount must be positive")
        for first in self._legs.get(terms.bill, ())[:1]:
            if first.terms and _whole(first.terms) != _whole(terms):
                return Refused("other_terms", "this bill was begun with another total or currency")
        if terms.bill and self.billed(terms.bill) + terms.amount_minor > terms.bill_minor:
            return Refused("exceeds", "the legs of this bill would be more than the whole")
        return None

    def _add(self, order_no: str, terms: Terms | None, state: State) -> Entry:
        entry = Entry(order_no, terms, state, len(self._entries), intent=_intent(self._heard))
        self._entries[order_no] = entry
        if terms and terms.bill:
            self._legs.setdefault(terms.bill, []).append(entry)
        return entry

    def _move(self, of: Terms, moved: Moved, amount_minor: int, at_s: float | None = None) -> None:
        """Nothing is no movement: a payment may cost no fee."""
        if not amount_minor:
            return
        when, currency = self._at_s if at_s is None else at_s, of.currency
        movement = Movement(when, of.order_no, moved, amount_minor, currency)
        settled_minor = self.settled_minor.get(currency, 0)
        self.settled_minor[currency] = settled_minor + SIGNS[moved] * amount_minor
        self.movements.append(movement)
        if self.on_movement is not None:
            self.on_movement(movement)


_NOT_FOUND = Refused("not_found", "no payment under this order number")


def declines(terms: Terms) -> bool:
    """Whether the books themselves never let this be paid."""
    return terms.user.rpartition("-")[2] == BROKE_USER or terms.payee == BLOCKED_PAYEE


def _paid(entry: Entry, user: str | None) -> Terms | None:
    """The payment, for whoever made it."""
    return entry.terms if entry.terms and user in (None, entry.terms.user) else None


def _whole(leg: Terms) -> tuple[int, str]:
    """What all legs of one bill must agree on."""
    return leg.bill_minor, leg.currency


def _intent(heard: DrawKey | None) -> str:
    """A call that names no draw, or one of the mock's own, belongs to nobody's turn."""
    if heard is None or heard.round < 0:
        return ""
    return intent_of(heard.round, heard.conversation, heard.turn)
