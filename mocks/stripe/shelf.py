"""All that the Stripe mock has made, by id and in the order of its making; it decides nothing.

Ids are counted, so that the same calls make the same ids. Events are kept up to a number, as the
real ones are up to an age.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import dropwhile, islice, takewhile
from typing import TypeVar, get_args

from harness.providers import stripe as wire
from harness.providers.stripe import errors
from harness.providers.stripe.objects import (
    Charge,
    Event,
    PaymentIntent,
    PaymentMethod,
    Thing,
    WebhookEndpoint,
)
from harness.providers.stripe.requests import Collection, ListOf, Retrieve, SearchIntents
from harness.providers.stripe.search import Clause, parse

KEPT_EVENTS = 10_000

ThingT = TypeVar("ThingT", bound=Thing)

_BY_PREFIX: dict[str, Collection] = {
    "pi": "payment_intents",
    "ch": "charges",
    "re": "refunds",
    "txn": "balance_transactions",
    "pm": "payment_methods",
    "cus": "customers",
    "evt": "events",
    "we": "webhook_endpoints",
}
_KINDS: dict[str, tuple[str, str]] = {
    "payment_intents": ("payment_intent", "intent"),
    "payment_methods": ("PaymentMethod", "payment_method"),
}
"""What an unknown one is called in the refusal, and the parameter; else the collection's own name
without its last letter, and the id."""


class Shelf:
    def __init__(self) -> None:
        self._things: dict[str, dict[str, Thing]] = {name: {} for name in get_args(Collection)}
        self._made: Counter[str] = Counter()
        self._by_order_no: defaultdict[str, list[str]] = defaultdict(list)

    def new_id(self, prefix: str) -> str:
        self._made[prefix] += 1
        return f"{prefix}_{self._made[prefix]:014d}"

    def put(self, thing: Thing) -> None:
        """A new thing, or a known one as it is now."""
        things = self._things[_collection(thing.id)]
        if isinstance(thing, PaymentIntent) and thing.id not in things:
            self._by_order_no[thing.metadata.get(wire.ORDER_NO, "")].append(thing.id)
        things[thing.id] = thing
        if isinstance(thing, Event) and len(things) > KEPT_EVENTS:
            del things[next(iter(things))]

    def find(self, id_: str) -> Thing | None:
        return self._things.get(_collection(id_), {}).get(id_)

    def intent(self, id_: str) -> PaymentIntent | None:
        found = self.find(id_)
        return found if isinstance(found, PaymentIntent) else None

    def charge(self, id_: str) -> Charge | None:
        found = self.find(id_)
        return found if isinstance(found, Charge) else None

    def charge_of(self, intent: PaymentIntent) -> Charge:
        """The last try to pay it."""
        found = self.charge(str(intent.latest_charge))
        assert found is not None
        return found

    def method(self, id_: str) -> PaymentMethod | None:
        found = self.find(id_)
        return found if isinstance(found, PaymentMethod) else None

    def endpoints(self) -> list[WebhookEndpoint]:
        known = self._things["webhook_endpoints"].values()
        return [thing for thing in known if isinstance(thing, WebhookEndpoint)]

    def drop(self, id_: str) -> None:
        del self._things[_collection(id_)][id_]

    def retrieve(self, asked: Retrieve) -> Thing | wire.Refusal:
        found = self._things[asked.collection].get(asked.id)
        return found or no_such(asked.collection, asked.id)

    def page(self, asked: ListOf) -> wire.Listing | wire.Refusal:
        """The newest first: those after a cursor, or those just before one."""
        things = self._things[asked.collection]
        for name in ("starting_after", "ending_before"):
            cursor = getattr(asked, name)
            if cursor is not None and cursor not in things:
                return no_such(asked.collection, cursor, name)
        newest = _after(reversed(things.values()), asked.starting_after)
        if asked.ending_before is not None:
            newest = takewhile(lambda thing: thing.id != asked.ending_before, newest)
        sieve = asked.sieve().items()
        kept = (
            thing for thing in newest if all(getattr(thing, name) == value for name, value in sieve)
        )
        if asked.ending_before is None:
            page = list(islice(kept, asked.limit + 1))
            shown = page[: asked.limit]
        else:
            page = list(kept)
            shown = page[-asked.limit :]
        more = len(page) > asked.limit
        return wire.Listing(data=shown, has_more=more, url=f"/v1/{asked.collection}")

    def search(self, asked: SearchIntents) -> wire.Found | wire.Refusal:
        clauses = parse(asked.query)
        newest = reversed(self._candidates(clauses))
        if asked.page is not None and self.intent(asked.page) is None:
            return errors.unfit("Invalid page", "page")
        kept = (
            intent
            for intent in _after(map(self._intent, newest), asked.page)
            if all(clause.holds(intent) for clause in clauses)
        )
        page = list(islice(kept, asked.limit + 1))
        shown, more = page[: asked.limit], len(page) > asked.limit
        return wire.Found(
            data=shown,
            has_more=more,
            next_page=shown[-1].id if more else None,
            url="/v1/payment_intents/search",
        )

    def _candidates(self, clauses: list[Clause]) -> list[str]:
        """Ids, oldest first: under one order number there are few, whatever was made besides."""
        for clause in clauses:
            if clause.key == wire.ORDER_NO:
                return self._by_order_no.get(clause.value, [])
        return list(self._things["payment_intents"])

    def _intent(self, id_: str) -> PaymentIntent:
        found = self.intent(id_)
        assert found is not None
        return found


def no_such(collection: str, id_: str, param: str = "") -> wire.Refusal:
    """404 for what a path names, 400 for what a parameter names."""
    kind, own = _KINDS.get(collection, (collection[:-1], "id"))
    return errors.no_such(kind, id_, param or own, 400 if param else 404)


def _after(newest: Iterable[ThingT], cursor: str | None) -> Iterator[ThingT]:
    if cursor is None:
        return iter(newest)
    return islice(dropwhile(lambda thing: thing.id != cursor, newest), 1, None)


def _collection(id_: str) -> str:
    return _BY_PREFIX.get(id_.partition("_")[0], "")
