"""The Stripe mock's door: keys, idempotency, events and their webhooks, and who does what.

It decides at a request's arrival and answers when the delay is over; the delay of a webhook counts
from the end of that answer. Four keys of a payment's metadata are told to the books: order_no,
user, method and payee. Not modelled, beside what stripe_payments.py names: Connect, Radar,
updates of objects, the lag of search, restricted keys, the limits of single endpoints, and errors
of the API itself other than overload.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import assert_never

import httpx
import msgspec

from harness.answer import Answer
from harness.providers import stripe as wire
from harness.providers.stripe import errors, events
from harness.providers.stripe.events import EventType
from harness.providers.stripe.objects import (
    Balance,
    Customer,
    Deleted,
    Event,
    EventData,
    EventRequest,
    Funds,
    Thing,
    WebhookEndpoint,
)
from harness.providers.stripe.requests import (
    Asked,
    CancelIntent,
    CaptureIntent,
    ConfirmIntent,
    CreateCustomer,
    CreateEndpoint,
    CreateIntent,
    CreateMethod,
    CreateRefund,
    DeleteEndpoint,
    ListOf,
    ReadBalance,
    Retrieve,
    SearchIntents,
)
from harness.providers.told import DrawKey
from mocks.courier import Courier
from mocks.idempotency import Clash, Idempotency
from mocks.ledger import Entry, Ledger, Standing
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from mocks.stripe.payments import Payments
from mocks.stripe.shelf import Shelf, no_such

KEY_LIFETIME_S = 86_400.0
MOST_ENDPOINTS = 16
LIVE_PREFIXES = ("sk_live_", "rk_live_", "sk_org_")


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer as it is kept under an idempotency key, with the id of the request it was to."""

    status: int
    body: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class _Call:
    """The call that is being decided: which, who asks, when it came, and when its answer ends."""

    key: DrawKey
    head: wire.Head
    request_id: str
    now: float
    ends: float


class Stripe:
    """A mock is a function of a request; the state behind it is a shelf, keys and books."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str) -> None:
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._clock = setting.clock
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._api_key = key
        setting.trail.opens(wire.NAME, key)
        self.shelf = Shelf()
        self._payments = Payments(self.ledger, self.shelf, self._unix, self._note)
        self._keys: Idempotency[_Said] = Idempotency(KEY_LIFETIME_S)
        self._requests = count(1)
        self._secrets: dict[str, str] = {}
        self._news: list[tuple[EventType, Thing]] = []
        """What happened in the call that is being decided."""
        self._courier = Courier(
            setting.clock,
            self._desk.delays,
            profile.webhook,
            setting.deliver,
            events.taken,
            setting.lifetime_scale,
        )

    @property
    def settled_minor(self) -> Mapping[str, int]:
        """By currency, as Stripe's own balance tells it, in place of the books'."""
        return self._payments.settled_minor

    def stands(self, entry: Entry) -> Standing:
        """How an order stands by its intent and charge."""
        return self._payments.stands(entry)

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        head = wire.read_head(request)
        request_id = f"req_{next(self._requests):014d}"
        if turned := self._desk.turned_away(guest):
            status, body = wire.encode_turned(turned.why)
            marks = wire.Marks(request_id=request_id, head=head)
            return self._desk.refuse(guest, status, wire.headers(marks, status), body)
        delay_s = self._desk.delays.timed_s(guest.key, "call", self._overhead)
        queue_s = self._desk.capacity.wait_s(guest.arrived, delay_s)
        ends = guest.arrived + queue_s + delay_s
        said = self._answer(request, _Call(guest.key, head, request_id, guest.arrived, ends))
        original = said.request_id if said.request_id != request_id else ""
        marks = wire.Marks(request_id=request_id, head=head, original=original)
        headers = wire.headers(marks, said.status)
        return self._desk.answer(guest, delay_s, said.status, headers, said.body, queue_s=queue_s)

    def _answer(self, request: httpx.Request, call: _Call) -> _Said:
        """A call that is not carried out uses no idempotency key up."""
        if refused := self._unauthorized(call.head):
            return self._said(call, refused)
        asked = wire.decode_request(request)
        if isinstance(asked, wire.Refusal):
            return self._said(call, asked)
        key = call.head.idempotency_key if request.method == "POST" else ""
        if not key:
            return self._done(asked, call)
        endpoint, terms = wire.endpoint_of(request), wire.terms_of(asked)
        found = self._keys.find(key, endpoint, terms, call.now)
        if isinstance(found, Clash):
            return self._said(call, _clash(found, key, endpoint))
        if found is None:
            found = self._done(asked, call)
            self._keys.keep(key, endpoint, terms, found, call.now, call.ends)
        return found

    def _unauthorized(self, head: wire.Head) -> wire.Refusal | None:
        if not head.api_key:
            return errors.no_key()
        if head.api_key.startswith(LIVE_PREFIXES):
            return errors.live_key()
        return None if head.api_key == self._api_key else errors.invalid_key()

    def _done(self, asked: Asked, call: _Call) -> _Said:
        reply = self._decide(asked)
        self._tell(call)
        return self._said(call, reply, asked)

    def _said(self, call: _Call, reply: msgspec.Struct, asked: Asked | None = None) -> _Said:
        expand = asked.expand if asked else ()
        status, body = wire.encode_reply(reply, expand, self.shelf.find)
        return _Said(status, body, call.request_id)

    def _decide(self, asked: Asked) -> msgspec.Struct:
        match asked:
            case CreateIntent():
                return self._payments.create(asked)
            case ConfirmIntent():
                return self._payments.confirm(asked)
            case CaptureIntent():
                return self._payments.capture(asked)
            case CancelIntent():
                return self._payments.cancel(asked)
            case CreateRefund():
                return self._payments.refund(asked)
            case CreateMethod():
                return self._payments.create_method(asked)
            case SearchIntents():
                return self.shelf.search(asked)
            case CreateCustomer():
                return self._create_customer(asked)
            case CreateEndpoint():
                return self._create_endpoint(asked)
            case DeleteEndpoint():
                return self._delete_endpoint(asked)
            case Retrieve():
                return self.shelf.retrieve(asked)
            case ListOf():
                return self.shelf.page(asked)
            case ReadBalance():
                return self._balance()
            case _:
                assert_never(asked)

    def _create_customer(self, asked: CreateCustomer) -> Customer:
        customer = Customer(
            id=self.shelf.new_id("cus"),
            created=self._unix(),
            description=asked.description,
            email=asked.email,
            metadata=asked.metadata,
            name=asked.name,
            phone=asked.phone,
        )
        self.shelf.put(customer)
        return customer

    def _create_endpoint(self, asked: CreateEndpoint) -> WebhookEndpoint | wire.Refusal:
        if len(self._secrets) >= MOST_ENDPOINTS:
            return errors.unfit(f"You have reached the maximum of {MOST_ENDPOINTS} endpoints.")
        endpoint = WebhookEndpoint(
            id=self.shelf.new_id("we"),
            api_version=asked.api_version,
            created=self._unix(),
            description=asked.description,
            enabled_events=asked.enabled_events,
            metadata=asked.metadata,
            url=asked.url,
        )
        self.shelf.put(endpoint)
        secret = "whsec_" + sha256(f"{endpoint.id} {endpoint.url}".encode()).hexdigest()[:32]
        self._secrets[endpoint.id] = secret
        return msgspec.structs.replace(endpoint, secret=secret)

    def _delete_endpoint(self, asked: DeleteEndpoint) -> Deleted | wire.Refusal:
        if self._secrets.pop(asked.id, None) is None:
            return no_such("webhook_endpoints", asked.id)
        self.shelf.drop(asked.id)
        return Deleted(id=asked.id, object="webhook_endpoint")

    def _balance(self) -> Balance:
        """What came in, less what was given back and the fees, by currency."""
        funds = [
            Funds(amount=net, currency=name.lower()) for name, net in self.settled_minor.items()
        ]
        return Balance(available=funds)

    # Events

    def _note(self, what: EventType, thing: Thing) -> None:
        self._news.append((what, thing))

    def _tell(self, call: _Call) -> None:
        """Put down what happened in this call, and send it to whoever wants to know."""
        for what, thing in self._news:
            wanting = [one for one in self.shelf.endpoints() if _wants(one, what)]
            event = Event(
                id=self.shelf.new_id("evt"),
                api_version=wire.VERSION,
                created=self._unix(),
                data=EventData(object=thing),
                pending_webhooks=len(wanting),
                request=EventRequest(
                    id=call.request_id, idempotency_key=call.head.idempotency_key or None
                ),
                type=what,
            )
            self.shelf.put(event)
            for one in wanting:
                self._courier.send(
                    call.key, f"{what} {one.id}", call.ends, self._notice(one, event)
                )
        self._news.clear()

    def _notice(self, to: WebhookEndpoint, event: Event) -> Callable[[], httpx.Request]:
        secret = self._secrets[to.id]
        return lambda: events.notice(to.url, secret, event, self._clock.unix_s())

    def _unix(self) -> int:
        return int(self._clock.unix_s())


def _wants(endpoint: WebhookEndpoint, what: EventType) -> bool:
    return what in endpoint.enabled_events or events.ALL_EVENTS in endpoint.enabled_events


def _clash(clash: Clash, key: str, endpoint: str) -> wire.Refusal:
    match clash.why:
        case "other_endpoint":
            return errors.other_endpoint(key, endpoint, clash.endpoint)
        case "other_terms":
            return errors.other_parameters(key)
        case "in_flight":
            return errors.key_in_use(key)
