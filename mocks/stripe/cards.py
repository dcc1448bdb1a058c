"""The test cards of the Stripe API: which pay, which are declined and how; it moves no money.

Source: Stripe documentation, "Test card numbers". Any other number is treated as a real card is in
test mode: it is declined, and nobody keeps it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Decline:
    """Why an issuer does not pay."""

    code: str
    decline_code: str
    message: str


Verdict = Literal["pays", "authenticates"] | Decline


@dataclass(frozen=True, slots=True)
class Card:
    """`verdict` is what comes of paying with it."""

    brand: str
    last4: str
    verdict: Verdict


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
AUTHENTICATE = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
REAL_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card.",
)
WRONG_NUMBER = Decline("incorrect_number", "", "Your card number is incorrect.")

_PROCESSING = "An error occurred while processing your card. Try again in a little bit."
_NO_FUNDS = "Your card has insufficient funds."
_WRONG_CVC = "Your card's security code is incorrect."

_CARDS: dict[str, tuple[str, str, Verdict]] = {
    "4242424242424242": ("Visa", "visa", "pays"),
    "4000056655665556": ("Visa_debit", "visa", "pays"),
    "5555555555554444": ("Mastercard", "mastercard", "pays"),
    "378282246310005": ("Amex", "amex", "pays"),
    "6011111111111117": ("Discover", "discover", "pays"),
    "6200000000000005": ("UnionPay", "unionpay", "pays"),
    "4000002500003155": ("AuthenticationRequiredOnSetup", "visa", "authenticates"),
    "4000002760003184": ("AuthenticationRequired", "visa", "authenticates"),
    "4000000000003220": ("ThreeDSecure2Required", "visa", "authenticates"),
    "4000000000000002": ("ChargeDeclined", "visa", GENERIC),
    "4000000000000341": ("ChargeCustomerFail", "visa", GENERIC),
    "4000000000009995": (
        "ChargeDeclinedInsufficientFunds",
        "visa",
        Decline("card_declined", "insufficient_funds", _NO_FUNDS),
    ),
    "4000000000009987": (
        "ChargeDeclinedLostCard",
        "visa",
        Decline("card_declined", "lost_card", "Your card was declined."),
    ),
    "4000000000009979": (
        "ChargeDeclinedStolenCard",
        "visa",
        Decline("card_declined", "stolen_card", "Your card was declined."),
    ),
    "4000000000000069": (
        "ChargeDeclinedExpiredCard",
        "visa",
        Decline("expired_card", "", "Your card has expired."),
    ),
    "4000000000000127": (
        "ChargeDeclinedIncorrectCvc",
        "visa",
        Decline("incorrect_cvc", "", _WRONG_CVC),
    ),
    "4000000000000119": (
        "ChargeDeclinedProcessingError",
        "visa",
        Decline("processing_error", "", _PROCESSING),
    ),
}


def by_number(number: str) -> Card | Decline:
    """The test card, or what a card that is none earns."""
    digits = number.replace(" ", "").replace("-", "")
    if found := _BY_NUMBER.get(digits):
        return found
    return REAL_CARD if _luhn(digits) else WRONG_NUMBER


def by_name(name: str) -> Card | None:
    """Of a ready-made payment method such as pm_card_visa, or of a token such as tok_visa."""
    for prefix in ("pm_card_", "tok_"):
        if name.startswith(prefix):
            return _BY_NAME.get(name.removeprefix(prefix).lower())
    return None


def _luhn(digits: str) -> bool:
    if not (digits.isascii() and digits.isdecimal() and 12 <= len(digits) <= 19):
        return False
    doubled = [int(d) * (1 + n % 2) for n, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0


_BY_NUMBER = {number: Card(of[1], number[-4:], of[2]) for number, of in _CARDS.items()}
_BY_NAME = {of[0].lower(): _BY_NUMBER[number] for number, of in _CARDS.items()}
