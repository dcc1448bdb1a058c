"""The objects that the Stripe mock makes, each from what led to it; it keeps nothing."""

from typing import Literal

from msgspec.structs import replace

from harness.providers.stripe import errors
from harness.providers.stripe.objects import (
    AutomaticMethods,
    BalanceTransaction,
    CardDetails,
    Charge,
    FeeDetail,
    MethodDetails,
    NextAction,
    Outcome,
    PaymentError,
    PaymentIntent,
    PaymentMethod,
    Refund,
)
from harness.providers.stripe.requests import CreateIntent, CreateMethod, CreateRefund
from mocks.stripe.cards import Card, Decline


def method(id_: str, card: Card, asked: CreateMethod | None, now: int) -> PaymentMethod:
    """Asked for in a call, or ready-made for tests."""
    details = CardDetails(brand=card.brand, last4=card.last4)
    if asked is None:
        return PaymentMethod(id=id_, card=details, created=now)
    return PaymentMethod(
        id=id_,
        billing_details=asked.billing_details,
        card=replace(details, exp_month=asked.card.exp_month, exp_year=asked.card.exp_year),
        created=now,
        metadata=asked.metadata,
    )


def intent(id_: str, asked: CreateIntent, paying: PaymentMethod | None, now: int) -> PaymentIntent:
    automatic = asked.automatic_payment_methods
    if automatic is None and not asked.payment_method_types:
        automatic = AutomaticMethods(enabled=True)
    return PaymentIntent(
        id=id_,
        amount=asked.amount,
        automatic_payment_methods=automatic,
        capture_method=asked.capture_method,
        client_secret=f"{id_}_secret_mock",
        confirmation_method=asked.confirmation_method,
        created=now,
        currency=asked.currency,
        customer=asked.customer,
        description=asked.description,
        metadata=asked.metadata,
        payment_method=paying.id if paying else None,
        payment_method_options=asked.payment_method_options,
        payment_method_types=asked.payment_method_types or ["card"],
        receipt_email=asked.receipt_email,
        setup_future_usage=asked.setup_future_usage,
        statement_descriptor=asked.statement_descriptor,
        statement_descriptor_suffix=asked.statement_descriptor_suffix,
        status="requires_confirmation" if paying else "requires_payment_method",
    )


def charge(id_: str, of: PaymentIntent, paying: PaymentMethod, now: int) -> Charge:
    """One that the issuer lets through, not captured yet."""
    return Charge(
        id=id_,
        amount=of.amount,
        created=now,
        currency=of.currency,
        customer=of.customer,
        description=of.description,
        metadata=of.metadata,
        outcome=Outcome(),
        paid=True,
        payment_intent=of.id,
        payment_method=paying.id,
        payment_method_details=MethodDetails(card=paying.card),
        receipt_email=of.receipt_email,
        status="succeeded",
    )


def failed_charge(tried: Charge, why: Decline) -> Charge:
    outcome = Outcome(
        network_status="declined_by_network",
        reason=why.decline_code or why.code,
        seller_message="The bank did not return any further details with this decline.",
        type="issuer_declined",
    )
    return replace(
        tried,
        failure_code=why.code,
        failure_message=why.message,
        outcome=outcome,
        paid=False,
        status="failed",
    )


def failed_intent(
    of: PaymentIntent, charge_id: str, paying: PaymentMethod, why: Decline
) -> PaymentIntent:
    """It waits for another method."""
    error = PaymentError(
        charge=charge_id,
        code=why.code,
        decline_code=why.decline_code or None,
        doc_url=errors.doc_url(why.code),
        message=why.message,
        payment_method=paying,
    )
    return replace(
        of,
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge_id,
        last_payment_error=error,
    )


def moved(
    id_: str,
    kind: Literal["charge", "refund"],
    source: str,
    currency: str,
    amount: int,
    fee: int,
    now: int,
) -> BalanceTransaction:
    details = [FeeDetail(amount=fee, currency=currency)] if fee else []
    return BalanceTransaction(
        id=id_,
        amount=amount,
        available_on=now,
        created=now,
        currency=currency,
        fee=fee,
        fee_details=details,
        net=amount - fee,
        reporting_category=kind,
        source=source,
        type=kind,
    )


def refund(asked: CreateRefund, of: Charge, back: BalanceTransaction, now: int) -> Refund:
    return Refund(
        id=str(back.source),
        amount=-back.amount,
        balance_transaction=back.id,
        charge=of.id,
        created=now,
        currency=of.currency,
        metadata=asked.metadata,
        payment_intent=of.payment_intent,
        reason=asked.reason,
        status="succeeded",
    )


def action(return_url: str | None) -> NextAction:
    """What a payer would have to do; here nobody does."""
    if return_url is None:
        return NextAction(type="use_stripe_sdk", use_stripe_sdk={"type": "three_d_secure_redirect"})
    return NextAction(
        type="redirect_to_url",
        redirect_to_url={"return_url": return_url, "url": "https://hooks.stripe.com/3d_secure"},
    )
