"""What the Stripe API answers to a call that it refuses: types, codes, words; it decides nothing.

Types and statuses: Stripe API reference, "Errors". Words: quoted in issues of Stripe's own SDKs and
in recorded answers where such were found, else ours in their manner.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.providers.stripe.objects import PaymentIntent, Status

ErrorType = Literal["api_error", "card_error", "idempotency_error", "invalid_request_error"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The API's rules forbid it. On the client's side this is an answer, not a fault."""

    status: int
    type: str = "invalid_request_error"
    message: str = ""
    code: str = ""
    decline_code: str = ""
    param: str = ""
    charge: str = ""
    payment_intent: PaymentIntent | None = None

    @property
    def declined(self) -> bool:
        """The card's issuer would not pay, or somebody would have to say first that it may."""
        return self.status == 402


def doc_url(code: str) -> str:
    return "https://stripe.com/docs/error-codes/" + code.replace("_", "-")


# Who asks, and how


def no_key() -> Refusal:
    return Refusal(
        status=401,
        message="You did not provide an API key. You need to provide your API key in the "
        "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    )


def invalid_key() -> Refusal:
    """The real one shows a part of the key. Here none is ever shown."""
    return Refusal(status=401, message="Invalid API Key provided: ********")


def live_key() -> Refusal:
    return Refusal(
        status=401,
        message="This is a mock: it takes no live key, and no live key should be sent to it.",
    )


def unfit(message: str, param: str = "", code: str = "") -> Refusal:
    return Refusal(status=400, message=message, param=param, code=code)


def missing(param: str) -> Refusal:
    return unfit(f"Missing required param: {param}.", param, "parameter_missing")


def no_such_url(method: str, path: str) -> Refusal:
    told = f"Unrecognized request URL ({method}: {path[:200]})."
    return Refusal(status=404, message=told)


def no_such(kind: str, id_: str, param: str, status: int = 404) -> Refusal:
    """404 for the object that the path names, 400 for one that a parameter names."""
    told = f"No such {kind}: '{id_[:80]}'"
    return Refusal(status=status, message=told, param=param, code="resource_missing")


def rate_limited() -> Refusal:
    return Refusal(
        status=429,
        code="rate_limit",
        message="Request rate limit exceeded. Learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
    )


def overloaded() -> Refusal:
    return Refusal(
        status=503, type="api_error", message="The API is temporarily unavailable. Try again."
    )


# Idempotency


def other_parameters(key: str) -> Refusal:
    return Refusal(
        status=400,
        type="idempotency_error",
        message="Keys for idempotent requests can only be used with the same parameters they were "
        f"first used with. Try using a key other than '{key}' if you meant to execute a different "
        "request.",
    )


def other_endpoint(key: str, path: str, first: str) -> Refusal:
    return Refusal(
        status=400,
        type="idempotency_error",
        message="Keys for idempotent requests can only be used for the same endpoint they were "
        f"first used for ('{path}' vs '{first}'). Try using a key other than '{key}' if you meant "
        "to execute a different request.",
    )


def key_in_use(key: str) -> Refusal:
    return Refusal(
        status=409,
        type="idempotency_error",
        code="idempotency_key_in_use",
        message="There is currently another in-progress request using this Idempotent Key (that "
        "probably means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later.",
    )


# Payments


def card_error(
    code: str,
    message: str,
    *,
    decline_code: str = "",
    charge: str = "",
    intent: PaymentIntent | None = None,
) -> Refusal:
    return Refusal(
        status=402,
        type="card_error",
        code=code,
        decline_code=decline_code,
        message=message,
        charge=charge,
        payment_intent=intent,
    )


def amount_too_small(least: int, currency: str) -> Refusal:
    told = f"Amount must be at least {money(least, currency)} {currency}"
    return unfit(told, "amount", "amount_too_small")


def amount_too_large(most: int, currency: str, param: str = "amount") -> Refusal:
    return unfit(f"Amount must be no more than {money(most, currency)}", param, "amount_too_large")


def unexpected_state(
    verb: Literal["confirm", "capture", "cancel"], intent: PaymentIntent
) -> Refusal:
    return Refusal(
        status=400,
        code="payment_intent_unexpected_state",
        message=_state_words(verb, intent.status),
        payment_intent=intent,
    )


def needs_method(intent: PaymentIntent | None) -> Refusal:
    return Refusal(
        status=400,
        code="payment_intent_unexpected_state",
        message="You cannot confirm this PaymentIntent because it's missing a payment method. You "
        "can either update the PaymentIntent with a payment method and then confirm it again, or "
        "confirm it again directly with a payment method or ConfirmationToken.",
        payment_intent=intent,
    )


def needs_return_url() -> Refusal:
    return unfit(
        "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. "
        "Because some of these payment methods might redirect your customer off of your page, you "
        "must provide a `return_url`. If you don't want to accept redirect-based payment methods, "
        "set `automatic_payment_methods[enabled]` to `true` and "
        "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
        "Payment Intents."
    )


def nothing_to_refund(intent: str) -> Refusal:
    told = f"This PaymentIntent ({intent}) does not have a successful charge to refund."
    return unfit(told, "payment_intent")


def already_refunded(charge: str) -> Refusal:
    return unfit(f"Charge {charge} has already been refunded.", code="charge_already_refunded")


def refund_too_large(amount: int, left: int, currency: str) -> Refusal:
    """Recorded answers to this have no code."""
    return unfit(
        f"Refund amount ({money(amount, currency)}) is greater than unrefunded amount on charge "
        f"({money(left, currency)})",
        "amount",
    )


def money(minor: int, currency: str) -> str:
    whole, rest = (minor, "") if currency in ZERO_DECIMAL else (minor // 100, f".{minor % 100:02d}")
    figures, sign = f"{whole:,}{rest}", _SIGNS.get(currency)
    return f"{sign}{figures}" if sign else f"{figures} {currency}"


def _state_words(verb: Literal["confirm", "capture", "cancel"], status: Status) -> str:
    if verb == "confirm" and status == "succeeded":
        return (
            "You cannot confirm this PaymentIntent because it has already succeeded after being "
            "previously confirmed."
        )
    if verb == "capture":
        head = f"This PaymentIntent could not be captured because it has a status of {status}."
    else:
        head = f"You cannot {verb} this PaymentIntent because it has a status of {status}."
    past = {"confirm": "confirmed", "capture": "captured", "cancel": "canceled"}[verb]
    allowed = ", ".join(ALLOWED[verb])
    return (
        f"{head} Only a PaymentIntent with one of the following statuses may be {past}: {allowed}."
    )


ALLOWED: dict[str, Sequence[Status]] = {
    "confirm": ("requires_payment_method", "requires_confirmation", "requires_action"),
    "capture": ("requires_capture",),
    "cancel": (
        "requires_payment_method",
        "requires_capture",
        "requires_confirmation",
        "requires_action",
        "processing",
    ),
}
"""In which states an intent may be worked on."""

ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "cny": "¥"}
