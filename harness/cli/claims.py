"""What the profiles of a run claim, beside what was measured, for its summary; it runs nothing."""

from harness.record import ClaimSummary, FeeSummary
from mocks.host import MockConfig
from mocks.profile import ModelProfile, load

LABEL_TOKENS, CALL_TOKENS = 5, 60
"""A short label, as a classification answers, and a usual tool call."""


def fee_summaries(mocks: MockConfig) -> list[FeeSummary]:
    """Every payment profile's fee, in minor units of CNY."""
    return [
        FeeSummary(
            name=name,
            rate=profile.fee.rate,
            fixed_minor=profile.fee.fixed_minor * exchange,
            minimum_minor=profile.fee.minimum_minor * exchange,
            monthly_minimum_minor=profile.fee.monthly_minimum_minor,
            provenance=profile.fee.provenance,
        )
        for name, profile in mocks.pay.items()
        for exchange in [mocks.cny_per_usd if profile.fee.currency == "USD" else 1.0]
    ]


def claim_summaries(mocks: MockConfig) -> list[ClaimSummary]:
    """Every model of the run whose figures are only claimed."""
    return [
        ClaimSummary(
            claimed=name,
            measured=profile.claim_of,
            claimed_label_ms=_median_ms(profile, LABEL_TOKENS),
            measured_label_ms=_median_ms(measured, LABEL_TOKENS),
            claimed_call_ms=_median_ms(profile, CALL_TOKENS),
            measured_call_ms=_median_ms(measured, CALL_TOKENS),
        )
        for name, profile in mocks.models.items()
        if profile.claim_of
        for measured in [load(profile.claim_of, ModelProfile)]
    ]


def _median_ms(profile: ModelProfile, tokens: int) -> float:
    """Of the whole answer: the median first token, the median thinking, then a steady rate."""
    latency, reasoning = profile.latency, profile.reasoning
    thought = reasoning.tokens_p50 if reasoning else 0.0
    return latency.law_ms().quantile(0.5) + 1e3 * (thought + tokens) / latency.tokens_per_s
