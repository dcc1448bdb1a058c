"""What the Stripe API answers with: its objects, as far as a payment by card needs them; pure data.

One struct serves both ways. Fields that a mock never fills have the API's null, fields that nobody
here reads take anything. Shapes: Stripe API reference and the classes of stripe-python 16.1.0.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Status = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]
Anything = object
"""What nobody here reads; by another name, as every object here has a field `object`."""


class CardDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Never the number: its last four digits."""

    brand: str | None = None
    last4: str | None = None
    exp_month: int = 12
    exp_year: int = 2034
    country: str | None = "US"
    funding: str | None = "credit"


class MethodDetails(msgspec.Struct, frozen=True, kw_only=True):
    card: CardDetails | None = None
    type: str = "card"


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "payment_method"
    allow_redisplay: str = "unspecified"
    billing_details: Anything = None
    card: CardDetails | None = None
    created: int = 0
    customer: str | None = None
    livemode: bool = False
    metadata: dict[str, str] = {}
    type: str = "card"


class FeeDetail(msgspec.Struct, frozen=True, kw_only=True):
    amount: int
    currency: str
    description: str | None = None
    type: str = "stripe_fee"


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A movement on the account's balance; the one place where the API tells the fee."""

    id: str
    object: str = "balance_transaction"
    amount: int
    available_on: int = 0
    created: int = 0
    currency: str
    description: str | None = None
    exchange_rate: Annotated[float, Meta(gt=1e-9, lt=1e9)] | None = None
    fee: int
    fee_details: list[FeeDetail] = []
    net: int
    reporting_category: str = "charge"
    source: str | None = None
    status: str = "available"
    type: str = "charge"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    network_status: str | None = "approved_by_network"
    reason: str | None = None
    risk_level: str | None = "normal"
    seller_message: str | None = "Payment complete."
    type: str | None = "authorized"


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One try to take the money."""

    id: str
    object: str = "charge"
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    balance_transaction: str | BalanceTransaction | None = None
    billing_details: Anything = None
    captured: bool = False
    created: int = 0
    currency: str
    customer: str | None = None
    description: str | None = None
    disputed: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    livemode: bool = False
    metadata: dict[str, str] = {}
    outcome: Outcome | None = None
    paid: bool = False
    payment_intent: str | None = None
    payment_method: str | None = None
    payment_method_details: MethodDetails | None = None
    receipt_email: str | None = None
    receipt_url: str | None = None
    refunded: bool = False
    status: str


class PaymentError(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last try failed."""

    type: str = "card_error"
    charge: str | None = None
    code: str | None = None
    decline_code: str | None = None
    doc_url: str | None = None
    message: str | None = None
    payment_method: Anything = None


class NextAction(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer has to do in a browser."""

    type: str
    redirect_to_url: Anything = None
    use_stripe_sdk: Anything = None


class AutomaticMethods(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    allow_redirects: Literal["always", "never"] | None = "always"


class PaymentIntent(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "payment_intent"
    amount: int
    amount_capturable: int = 0
    amount_details: Anything = None
    amount_received: int = 0
    application: Anything = None
    application_fee_amount: int | None = None
    automatic_payment_methods: AutomaticMethods | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    capture_method: str = "automatic_async"
    client_secret: str | None = None
    confirmation_method: str = "automatic"
    created: int = 0
    currency: str
    customer: str | None = None
    description: str | None = None
    last_payment_error: PaymentError | None = None
    latest_charge: str | Charge | None = None
    livemode: bool = False
    metadata: dict[str, str] = {}
    next_action: NextAction | None = None
    on_behalf_of: Anything = None
    payment_method: str | PaymentMethod | None = None
    payment_method_options: Anything = None
    payment_method_types: list[str] = []
    processing: Anything = None
    receipt_email: str | None = None
    review: Anything = None
    setup_future_usage: str | None = None
    shipping: Anything = None
    source: Anything = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    status: Status
    transfer_data: Anything = None
    transfer_group: str | None = None

    def __repr__(self) -> str:
        # Whoever has the client secret may complete the payment.
        return f"PaymentIntent({self.id}, {self.amount} {self.currency}, {self.status})"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "refund"
    amount: int
    balance_transaction: str | BalanceTransaction | None = None
    charge: str | Charge | None = None
    created: int = 0
    currency: str
    metadata: dict[str, str] = {}
    payment_intent: str | PaymentIntent | None = None
    reason: str | None = None
    receipt_number: str | None = None
    source_transfer_reversal: Anything = None
    status: str | None
    transfer_reversal: Anything = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "customer"
    created: int = 0
    description: str | None = None
    email: str | None = None
    livemode: bool = False
    metadata: dict[str, str] = {}
    name: str | None = None
    phone: str | None = None


class WebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where events are sent. The secret that they are signed with is told only when it is made."""

    id: str
    object: str = "webhook_endpoint"
    api_version: str | None = None
    created: int = 0
    description: str | None = None
    enabled_events: list[str] = []
    livemode: bool = False
    metadata: dict[str, str] = {}
    secret: str | None = None
    status: str = "enabled"
    url: str

    def __repr__(self) -> str:
        return f"WebhookEndpoint({self.id}, {self.url})"


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """The object as it was when the event happened."""

    object: Anything


class EventRequest(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    idempotency_key: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "event"
    api_version: str | None = None
    created: int = 0
    data: EventData
    livemode: bool = False
    pending_webhooks: int = 0
    request: EventRequest | None = None
    type: str


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    amount: int
    currency: str


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "balance"
    available: list[Funds] = []
    livemode: bool = False
    pending: list[Funds] = []


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str
    deleted: bool = True


Thing = (
    PaymentIntent
    | Charge
    | Refund
    | BalanceTransaction
    | PaymentMethod
    | Customer
    | WebhookEndpoint
    | Event
)
"""What has an id and can be asked for again."""
