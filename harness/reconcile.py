"""What the apps believe of their payments, held against the providers' books: every rule that does
not hold is a breach. It reads no clock, knows of wires only how UnionPay writes an order's number,
and mends nothing.

A payment is told by its order number at a lane; what belongs together is told by the intent, the
turn that wished for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from harness.books import (
    NO_MONEY,
    Account,
    Belief,
    Movement,
    Order,
    OrderState,
    Shown,
    owed,
)
from harness.providers.unionpay.transactions import order_id
from harness.record import Outcome

RULES: tuple[str, ...] = (
    "one capture",
    "conservation",
    "same end",
    "nothing open",
    "own tokens",
    "no secret",
    "told true",
)
"""Of one intent a payer is charged once. What was captured, given back and charged adds up, order
by order and in all. The app's end of a payment is the books'. No order is left open. No token or
key came where it must not. No secret was in a prompt. Nothing that a user was shown was false."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that does not hold, for which payment, in a sentence. `intent` is as in an Order."""

    rule: str
    lane: str
    order_no: str
    intent: str
    why: str


@dataclass(slots=True)
class Reconciliation:
    """Counts and sums of books that were looked through; settled = captured - refunded - fees, by
    currency, with nothing captured that was voided and no fee that was given back."""

    orders: int = 0
    believed: int = 0
    """Payments that an app believed something of."""
    captured_minor: Counter[str] = field(default_factory=Counter)
    refunded_minor: Counter[str] = field(default_factory=Counter)
    fees_minor: Counter[str] = field(default_factory=Counter)
    settled_minor: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    """Payments that stayed unknown to the app, and were reported as that."""
    cut_off: int = 0
    """Orders of turns that were cut off in flight: how they end, nobody has seen to."""
    breaches: list[Breach] = field(default_factory=list)


def reconcile(
    accounts: Sequence[Account],
    beliefs: Iterable[Belief] | None,
    *,
    leaks: int = 0,
    cut: Collection[str] = (),
    forgotten: int = 0,
    rules: Collection[str] = RULES,
) -> Reconciliation:
    """All books of one world against the beliefs of all its apps. Without beliefs, None, no app's
    end is judged, nor "one capture": one turn of such an app may pay several times.

    `leaks` are secrets that were found in prompts. `cut` are the intents of turns that were cut
    off: what they left open, or did not hear of, is no breach. `forgotten` says that so many
    beliefs were held once and were not kept: an order of which none is held may be one of those.
    """
    judge = _Judge(beliefs, cut, forgotten, rules)
    for account in accounts:
        judge.look_through(account)
    judge.end(leaks)
    return judge.found


_STANDS = ("paid", "refunded")
"""States in which money was captured for good."""


class _Judge:
    """Goes through the books of one lane after another, and then through what is left."""

    def __init__(
        self,
        beliefs: Iterable[Belief] | None,
        cut: Collection[str],
        forgotten: int,
        rules: Collection[str],
    ) -> None:
        self.found = Reconciliation()
        self._knows = beliefs is not None
        self._held = {(of.lane, of.order_no): of for of in beliefs or ()}
        """Those of which no order was met yet."""
        self._written: dict[tuple[str, str], tuple[str, str]] | None = None
        """The same by their numbers as a wire that takes letters and digits alone has them: made
        where an order is met of which nothing is held."""
        self._cut, self._forgotten, self._rules = cut, forgotten, rules
        self._charged: dict[tuple[str, str], list[tuple[str, Order]]] = {}

    def look_through(self, account: Account) -> None:
        lane, moved = account.lane, _by_order(account.movements)
        for order in account.orders:
            self._order(lane, order, moved.pop(order.order_no, _NONE_MOVED))
        for order_no in moved:
            why = "money of it moved, and the books have no such order"
            self._breach("conservation", lane, order_no, "", why)
        left_of = owed(account.movements)
        for currency in sorted({*left_of, *account.settled_minor}):
            settled, left = account.settled_minor.get(currency, 0), left_of.get(currency, 0)
            self.found.settled_minor[currency] += settled
            if settled != left:
                why = f"{settled} {currency} are settled, and {left} are left of what moved"
                self._breach("conservation", lane, "", "", why)
        for trespass in account.trespasses:
            self._breach(trespass.rule, lane, "", trespass.intent, trespass.why)

    def end(self, leaks: int) -> None:
        """What can be told once all books are known."""
        for orders in self._charged.values():
            if len(orders) > 1:
                lane, last = orders[-1]
                which = " and ".join(f"{of.order_no} at {at} ({of.state})" for at, of in orders)
                why = f"it was charged {len(orders)} times: {which}"
                self._breach("one capture", lane, last.order_no, last.intent, why)
        for belief in self._held.values():  # Of what no books know.
            self.found.believed += 1
            if belief.intent not in self._cut:
                self._belief(belief, None, ())
        if leaks:
            many = "a secret was" if leaks == 1 else f"{leaks} secrets were"
            self._breach("no secret", "", "", "", f"{many} found in what was told")

    def _order(self, lane: str, order: Order, moved: Sequence[Movement]) -> None:
        found, order_no, intent = self.found, order.order_no, order.intent
        found.orders += 1
        for why in self._untrue(order, moved):
            self._breach("conservation", lane, order_no, intent, why)
        belief = self._held.pop((lane, order_no), None) or self._held_as(lane, order_no)
        found.believed += belief is not None
        stands = order.state in _STANDS
        if self._knows and intent and stands and not (belief and _given_back(order, belief)):
            self._charged.setdefault(self._charge(order), []).append((lane, order))
        if intent in self._cut:
            found.cut_off += 1
            return
        if order.state == "open" and not order.runs_out:
            self._breach("nothing open", lane, order_no, intent, "the order was left open")
        if belief is not None:
            self._belief(belief, order, moved)
        elif stands and self._knows and not self._forgotten:
            why = f"the order is {order.state}, and the app knows nothing of it"
            self._breach("same end", lane, order_no, intent, why)

    def _held_as(self, lane: str, order_no: str) -> Belief | None:
        """The belief of an order whose wire writes numbers in its own way."""
        if self._written is None:
            self._written = {(of, order_id(number)): (of, number) for of, number in self._held}
        number = self._written.pop((lane, order_no), None)
        return None if number is None else self._held.pop(number, None)

    def _charge(self, order: Order) -> tuple[str, str]:
        """What may be charged once. Of a shared bill each leg is one person's; a provider that
        hears of no user knows no more of them than that they are several."""
        return order.intent, order.order_no if order.bill and not order.user else order.user

    def _untrue(self, order: Order, moved: Sequence[Movement]) -> Iterator[str]:
        """What the order says of its money and its movements do not. They go into the sums."""
        captured, refunded, fee = _sums(moved)
        currency, found = order.currency, self.found
        if captured:
            found.captured_minor[currency] += captured
        if refunded:
            found.refunded_minor[currency] += refunded
        if fee:
            found.fees_minor[currency] += fee
        if captured != (order.amount_minor if order.state in _STANDS else 0):
            yield (
                f"it is {order.state}, of {order.amount_minor} {currency}, and {captured} stand "
                "captured"
            )
        if refunded != order.refunded_minor:
            yield f"{order.refunded_minor} of it are refunded, and by what moved {refunded}"
        if refunded > captured:
            yield f"{refunded} were refunded of {captured} that stand captured"
        if (order.state == "refunded") != (order.refunded_minor > 0):
            yield f"it is {order.state}, and {order.refunded_minor} of it are refunded"
        if fee != order.fee_minor:
            yield f"its fee is {order.fee_minor}, and by what moved {fee}"
        for odd in moved:
            if odd.currency != currency or odd.amount_minor <= 0:
                yield f"{odd.amount_minor} {odd.currency} moved ({odd.moved}), of {currency}"

    def _belief(self, belief: Belief, order: Order | None, moved: Sequence[Movement]) -> None:
        self.found.unknown += belief.outcome == "unknown" and belief.reported
        at = belief.lane, belief.order_no, belief.intent
        if why := _other_end(belief, order):
            self._breach("same end", *at, why)
        for why in _untold(belief, moved):
            self._breach("told true", *at, why)

    def _breach(self, rule: str, lane: str, order_no: str, intent: str, why: str) -> None:
        if rule in self._rules:
            self.found.breaches.append(Breach(rule, lane, order_no, intent, why))


# What moved


_NONE_MOVED: list[Movement] = []


def _by_order(movements: Iterable[Movement]) -> dict[str, list[Movement]]:
    moved: dict[str, list[Movement]] = {}
    for movement in movements:
        if of := moved.get(movement.order_no):
            of.append(movement)
        else:
            moved[movement.order_no] = [movement]
    return moved


def _sums(movements: Iterable[Movement], until_s: float = inf) -> tuple[int, int, int]:
    """What stood captured by then, what was refunded, and what it cost."""
    captured = refunded = fee = 0
    for of in movements:
        if of.at_s > until_s:
            continue
        match of.moved:
            case "captured":
                captured += of.amount_minor
            case "voided":
                captured -= of.amount_minor
            case "refunded":
                refunded += of.amount_minor
            case "fee":
                fee += of.amount_minor
            case "fee back":
                fee -= of.amount_minor
    return captured, refunded, fee


# One belief


_ENDS: Mapping[Outcome, tuple[OrderState | None, ...]] = {
    "paid": ("paid",),
    "refunded": ("refunded",),
    "reversed": ("voided", "declined", None),
    "declined": ("declined", "voided", None),
    "ordered": ("voided", "open"),
    "error": ("declined", "voided", "open", None),
}
"""In which states of the books each end is true; None is that they know no such order. An order
that nobody pays is closed beside its turn, and that it is, is another rule. After an error no money
is held to have moved."""


def _other_end(belief: Belief, order: Order | None) -> str:
    """How the app's end differs from the books', "" where it does not."""
    state = None if order is None else "voided" if order.runs_out else order.state
    if belief.outcome == "unknown":
        why = "the app does not know how it ended, and has told nobody"
        return "" if belief.reported else f"{why}; it is {_standing(state)}"
    if order is not None and belief.outcome == "reversed" and _given_back(order, belief):
        return ""
    if state not in _ENDS.get(belief.outcome, (state,)):
        return f"the app holds it to be {belief.outcome}, and it is {_standing(state)}"
    if order is None or state not in _STANDS:
        return ""
    if belief.refunded_minor != order.refunded_minor:
        back = order.refunded_minor
        return f"the app holds {belief.refunded_minor} to be refunded, and the books have {back}"
    if belief.amount_minor != order.amount_minor or belief.currency != order.currency:
        paid = f"{belief.amount_minor} {belief.currency}"
        return f"the app paid {paid}, and the books have {order.amount_minor} {order.currency}"
    return ""


def _standing(state: OrderState | None) -> str:
    return "not in the books" if state is None else f"{state} in the books"


def _given_back(order: Order, belief: Belief) -> bool:
    """Whether all of it went back because the app took the payment back: then it was a try."""
    return belief.outcome == "reversed" and order.refunded_minor == order.amount_minor


_TELLS_NOTHING: tuple[Outcome, ...] = ("unknown", "error", "ok", "running")
"""Who is shown these is told no end of the payment."""


def _untold(belief: Belief, moved: Sequence[Movement]) -> Iterator[str]:
    for shown in belief.shown:
        if false := _false_then(shown, moved):
            yield f'the user was shown "{shown.claims}" at {shown.at_s:.3f} s, {false}'
    last = belief.shown[-1].claims if belief.shown else belief.outcome
    if last == belief.outcome or last in _TELLS_NOTHING or belief.outcome in _TELLS_NOTHING:
        return
    if last not in NO_MONEY or belief.outcome not in NO_MONEY:
        yield f'the user was last shown "{last}", and the app holds it to be {belief.outcome}'


def _false_then(shown: Shown, moved: Sequence[Movement]) -> str:
    """What was not so at that moment, "" where the claim was true."""
    if shown.claims not in ("paid", "refunded", "reversed", "declined"):
        return ""
    stands, refunded, _ = _sums(moved, shown.at_s)
    if shown.claims == "paid" and stands <= 0:
        return "and no money stood captured"
    if shown.claims == "refunded" and refunded <= 0:
        return "and nothing had been refunded"
    if shown.claims in ("reversed", "declined") and stands > refunded:
        return f"and {stands - refunded} stood captured"
    return ""
