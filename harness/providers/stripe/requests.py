"""What a client can ask of the Stripe API, as far as a payment by card needs it; both sides use it.

A call is a struct: its fields are the API's parameters, but for those that stand in the path. A
parameter that is not here is refused as unknown, also where the real API would take it.
Source: Stripe API reference, version VERSION.
"""

from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta

from harness.providers.stripe.objects import AutomaticMethods

VERSION = "2026-10-28.endive"
MOST_MINOR = 99_999_999
LEAST_MINOR = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300,
    "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
"""Of the currencies that have one; in others the real API converts, and here 1 is enough."""

Amount = Annotated[int, Meta(ge=1)]
CancellationReason = Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
Collection = Literal[
    "payment_intents",
    "charges",
    "refunds",
    "balance_transactions",
    "payment_methods",
    "customers",
    "events",
    "webhook_endpoints",
]


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`expand` names ids in the answer in whose place the whole object is wanted."""

    expand: list[str] = []


class CardParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    number: str | None = None
    token: str | None = None
    exp_month: Annotated[int, Meta(ge=1, le=12)] = 12
    exp_year: Annotated[int, Meta(ge=2000, le=2100)] = 2034
    cvc: str | None = None

    def __repr__(self) -> str:
        return "CardParams()"


class CreateMethod(Params, frozen=True, kw_only=True):
    type: Literal["card"]
    card: CardParams
    billing_details: object = None
    metadata: dict[str, str] = {}


class CreateIntent(Params, frozen=True, kw_only=True):
    amount: Amount
    currency: str
    automatic_payment_methods: AutomaticMethods | None = None
    capture_method: Literal["automatic", "automatic_async", "manual"] = "automatic_async"
    confirm: bool = False
    confirmation_method: Literal["automatic", "manual"] = "automatic"
    customer: str | None = None
    description: str | None = None
    error_on_requires_action: bool = False
    metadata: dict[str, str] = {}
    off_session: bool = False
    payment_method: str | None = None
    payment_method_data: CreateMethod | None = None
    payment_method_options: object = None
    payment_method_types: list[str] = []
    receipt_email: str | None = None
    return_url: str | None = None
    setup_future_usage: Literal["off_session", "on_session"] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None

    @property
    def may_redirect(self) -> bool:
        """Whether a payer might be sent elsewhere: by default whatever the account allows may."""
        automatic = self.automatic_payment_methods
        if automatic is None:
            return not self.payment_method_types
        return automatic.enabled and automatic.allow_redirects != "never"


class ConfirmIntent(Params, frozen=True, kw_only=True):
    id: str
    error_on_requires_action: bool = False
    off_session: bool = False
    payment_method: str | None = None
    payment_method_data: CreateMethod | None = None
    return_url: str | None = None


class CaptureIntent(Params, frozen=True, kw_only=True):
    id: str
    amount_to_capture: Amount | None = None


class CancelIntent(Params, frozen=True, kw_only=True):
    id: str
    cancellation_reason: CancellationReason | None = None


class SearchIntents(Params, frozen=True, kw_only=True):
    query: str
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    page: str | None = None


class CreateRefund(Params, frozen=True, kw_only=True):
    payment_intent: str | None = None
    charge: str | None = None
    amount: Amount | None = None
    metadata: dict[str, str] = {}
    reason: RefundReason | None = None


class CreateCustomer(Params, frozen=True, kw_only=True):
    description: str | None = None
    email: str | None = None
    metadata: dict[str, str] = {}
    name: str | None = None
    phone: str | None = None


class CreateEndpoint(Params, frozen=True, kw_only=True):
    url: str
    enabled_events: list[str]
    api_version: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}


class DeleteEndpoint(Params, frozen=True, kw_only=True):
    id: str


class ReadBalance(Params, frozen=True, kw_only=True):
    pass


class Retrieve(Params, frozen=True, kw_only=True):
    collection: Collection
    id: str


class ListOf(Params, frozen=True, kw_only=True):
    """The newest first; what else a collection is sifted by stands in its own kind of list."""

    collection: ClassVar[Collection]
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None

    def sieve(self) -> dict[str, str]:
        """Fields that a listed object must have, and what must stand in them."""
        own = {f.name for f in msgspec.structs.fields(self)} - _PAGING
        return {name: value for name in own if (value := getattr(self, name)) is not None}


class ListIntents(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "payment_intents"
    customer: str | None = None


class ListCharges(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "charges"
    customer: str | None = None
    payment_intent: str | None = None


class ListRefunds(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "refunds"
    charge: str | None = None
    payment_intent: str | None = None


class ListCustomers(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "customers"
    email: str | None = None


class ListEvents(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "events"
    type: str | None = None


class ListEndpoints(ListOf, frozen=True, kw_only=True):
    collection: ClassVar[Collection] = "webhook_endpoints"


Asked = (
    CreateIntent
    | ConfirmIntent
    | CaptureIntent
    | CancelIntent
    | SearchIntents
    | CreateRefund
    | CreateMethod
    | CreateCustomer
    | CreateEndpoint
    | DeleteEndpoint
    | ReadBalance
    | Retrieve
    | ListIntents
    | ListCharges
    | ListRefunds
    | ListCustomers
    | ListEvents
    | ListEndpoints
)

ROUTES: dict[tuple[str, str], type[Asked]] = {
    ("POST", "payment_intents"): CreateIntent,
    ("GET", "payment_intents"): ListIntents,
    ("GET", "payment_intents/search"): SearchIntents,
    ("POST", "payment_intents/{id}/confirm"): ConfirmIntent,
    ("POST", "payment_intents/{id}/capture"): CaptureIntent,
    ("POST", "payment_intents/{id}/cancel"): CancelIntent,
    ("GET", "charges"): ListCharges,
    ("POST", "refunds"): CreateRefund,
    ("GET", "refunds"): ListRefunds,
    ("POST", "payment_methods"): CreateMethod,
    ("POST", "customers"): CreateCustomer,
    ("GET", "customers"): ListCustomers,
    ("GET", "events"): ListEvents,
    ("POST", "webhook_endpoints"): CreateEndpoint,
    ("GET", "webhook_endpoints"): ListEndpoints,
    ("DELETE", "webhook_endpoints/{id}"): DeleteEndpoint,
    ("GET", "balance"): ReadBalance,
    **{("GET", f"{collection}/{{id}}"): Retrieve for collection in get_args(Collection)},
}

ANSWERS: dict[type[Asked], Collection] = {
    CreateIntent: "payment_intents",
    ConfirmIntent: "payment_intents",
    CaptureIntent: "payment_intents",
    CancelIntent: "payment_intents",
    CreateRefund: "refunds",
    CreateMethod: "payment_methods",
    CreateCustomer: "customers",
}
"""The kind of object in the answer, where the call has no collection of its own."""

_PAGING = frozenset({"expand", "limit", "starting_after", "ending_before"})
