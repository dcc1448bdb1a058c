"""What an app believes of its payments and what a provider's books say, as plain data; it judges
nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Literal, TypeVar

import msgspec

from harness.outcome import Outcome

T = TypeVar("T")

OrderState = Literal["open", "paid", "declined", "voided", "refunded"]
Moved = Literal["captured", "voided", "refunded", "fee", "fee back"]


SIGNS: Mapping[Moved, int] = {
    "captured": 1,
    "voided": -1,
    "refunded": -1,
    "fee": -1,
    "fee back": 1,
}
"""Whether it is the merchant's, or taken from what is."""


class Movement(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line of the books: money of an order that moved. `at_s` is the clock's; the amount is
    positive, in minor units."""

    at_s: float
    order_no: str
    moved: Moved
    amount_minor: int
    currency: str


class Order(msgspec.Struct, frozen=True, gc=False):
    """One order as the books have it. `intent` names the turn that it was first heard of in,
    "ROUND.CONVERSATION.TURN", "" for a client that names none; `bill` is the shared bill that it is
    a leg of, "" for none."""

    order_no: str
    intent: str
    user: str
    method: str
    amount_minor: int
    currency: str
    state: OrderState
    refunded_minor: int
    fee_minor: int
    bill: str = ""
    runs_out: bool = False
    """It is open, nothing of its wire closes it, and it ends by itself if nobody pays it."""


class Trespass(msgspec.Struct, frozen=True, gc=False):
    """A token, key or other secret that came where it must not, in a sentence without it. `intent`
    is as in an Order."""

    rule: Literal["own tokens", "no secret"]
    intent: str
    why: str


class Account(msgspec.Struct, frozen=True):
    """All of one provider's books. `settled_minor` is what the provider owes the merchant, by
    currency, kept beside the orders and not taken from them."""

    lane: str
    orders: list[Order]
    movements: list[Movement]
    settled_minor: dict[str, int]
    trespasses: list[Trespass] = []


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What a text that the user was shown says of a payment, and when."""

    at_s: float
    claims: Outcome


class Belief(msgspec.Struct):
    """What the app holds of one payment. It grows: how a payment stands may be known later than
    its turn's end."""

    order_no: str
    lane: str
    intent: str
    outcome: Outcome
    amount_minor: int
    currency: str
    refunded_minor: int = 0
    reported: bool = False
    """It stayed unknown, and that was told: somebody will look."""
    shown: list[Shown] = []


def intent_of(round_: int, conversation: int, turn: int) -> str:
    """How the turn that wished for a payment is written."""
    return f"{round_}.{conversation}.{turn}"


def place_of(intent: str) -> tuple[int, int, int] | None:
    """Round, conversation and turn; None where it names none."""
    try:
        round_, conversation, turn = map(int, intent.split("."))
    except ValueError:
        return None
    return round_, conversation, turn


def owed(movements: Iterable[Movement]) -> dict[str, int]:
    """What is the merchant's after these, by currency."""
    sums: dict[str, int] = {}
    for of in movements:
        sums[of.currency] = sums.get(of.currency, 0) + SIGNS[of.moved] * of.amount_minor
    return sums


NO_MONEY: tuple[Outcome, ...] = ("declined", "reversed")
"""The ends that leave the payer's money where it was: they are never told apart to a payer of a
shared bill, which may come to nothing in either way."""

ClaimOf = Callable[[str], Outcome | None]
"""What a text says of a payment; None where it says nothing that is understood."""


MOST_BELIEFS = 1_000_000
"""Of one app: each takes about half a kilobyte, and a load may last for days."""


class Beliefs:
    """One app's, by order number. Of more than `most` the oldest are forgotten; how many, is told
    in `forgotten`. What is shown before anything is held of its payment is kept for it."""

    def __init__(
        self,
        claim_of: ClaimOf = lambda text: None,
        *,
        secrets_in: Callable[[str], int] = lambda text: 0,
        most: int = MOST_BELIEFS,
    ) -> None:
        self.forgotten = 0
        self.secrets = 0
        """Found in texts that users were shown."""
        self._of: dict[tuple[str, str], Belief] = {}
        self._early: dict[tuple[str, str], list[Shown]] = {}
        """What was shown of payments of which nothing is held."""
        self._claim_of = claim_of
        self._secrets_in = secrets_in
        self._most = most

    def __iter__(self) -> Iterator[Belief]:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def hold(self, belief: Belief) -> None:
        """From now on this is held of that order at that lane."""
        of = (belief.lane, belief.order_no)
        if (before := self._of.get(of)) is not None:
            belief.shown = before.shown
        else:
            belief.shown = [*self._early.pop(of, ()), *belief.shown]
            self.forgotten += _made_room(self._of, self._most)
        self._of[of] = belief

    def get(self, lane: str, order_no: str) -> Belief | None:
        return self._of.get((lane, order_no))

    def show(self, lane: str, order_no: str, text: str, at_s: float) -> None:
        """The user was shown this text about that payment."""
        claims, of = self._claim_of(text), (lane, order_no)
        self.secrets += self._secrets_in(text)
        if claims is None:
            return
        if (belief := self._of.get(of)) is not None:
            belief.shown = [*belief.shown, Shown(at_s, claims)]
            return
        _made_room(self._early, self._most)
        self._early.setdefault(of, []).append(Shown(at_s, claims))


def _made_room(kept: dict[tuple[str, str], T], most: int) -> int:
    """How many were dropped, so that there is room for one more: many at once, as a dict is slow to
    tell which of its items is the oldest."""
    oldest = list(islice(kept, max(1, most // 10))) if len(kept) >= most else []
    for of in oldest:
        del kept[of]
    return len(oldest)
