"""What a profile can say: shapes of figures with their provenance; it loads and draws nothing."""

import datetime
from typing import Annotated, Literal

import msgspec

Provenance = Literal["article", "vendor", "measured", "assumed"]
# The upper bounds keep out infinity, which TOML can spell.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Minor = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**12)]
Some = Annotated[int, msgspec.Meta(ge=1, lt=10**12)]

PaymentProvider = Literal["wechat-ai", "alipay-ai", "stripe", "flat", "unionpay-ai"]
ModelProvider = Literal["openai", "anthropic", "gemini", "deepseek", "qwen", "mistral"]
GatewayProvider = Literal["openrouter", "litellm", "portkey", "tokenmix"]


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures and where they come from."""

    provenance: Provenance
    source: str
    date: datetime.date


# Of all servers


class Limits(Figures, frozen=True, kw_only=True):
    """What a server can take at once, and what it allows. 0 requests or tokens is no rate limit.

    A burst of overload comes once in every `overload_every_s`, at a place that the seed draws,
    and refuses `overload_share` of the calls; 0 is never.
    """

    slots: Some = 1_000_000
    queue: Count = 1_000_000
    requests: Count = 0
    tokens: Count = 0
    window_s: Positive = 60.0
    overload_every_s: NotNegative = 0.0
    overload_lasts_s: NotNegative = 0.0
    overload_share: Share = 1.0

    @staticmethod
    def none() -> "Limits":
        """Nobody waits, nobody is refused."""
        return Limits(provenance="assumed", source="no limits", date=datetime.date(2026, 1, 1))


# Of payment providers


class Overhead(Figures, frozen=True, kw_only=True):
    """One cold transaction, session included: lognormal by its median and 99th percentile."""

    p50_ms: Positive
    p99_ms: Positive


class SessionTerms(Figures, frozen=True, kw_only=True):
    """`share` of the overhead is for opening or refreshing a session. A refresh token, where the
    wire has one, outlives its session; 30 days is what WeChat's user OAuth grants."""

    share: Share
    lifetime_s: Positive
    refresh_lifetime_s: Positive = 2_592_000.0


class KeyTerms(Figures, frozen=True, kw_only=True):
    fetch_ms: NotNegative
    rotation_days: Positive
    overlap_s: NotNegative


class Fee(Figures, frozen=True, kw_only=True):
    """A share of the amount and a fixed part, but never less than the minimum.

    `monthly_minimum_minor` is a minimum a month of which no source says whether it means fees or
    volume; no single payment's fee holds it, reports show both readings.
    """

    rate: Share = 0.0
    fixed_minor: Minor = 0
    minimum_minor: Minor = 0
    monthly_minimum_minor: Minor = 0
    currency: str

    def of(self, amount_minor: int, exchange: float = 1.0) -> int:
        """The fee in minor units of the payment's currency, half a unit rounded up; `exchange` is
        what one unit of the fee's own currency is worth in it."""
        # Parts per million keep the product exact: 0.006 has no exact binary fraction.
        per_million = round(self.rate * 1_000_000)
        share = (amount_minor * per_million + 500_000) // 1_000_000
        least, fixed = (
            (minor * round(exchange * 1_000_000) + 500_000) // 1_000_000
            for minor in (self.minimum_minor, self.fixed_minor)
        )
        return max(least, share + fixed)


class WebhookTerms(Figures, frozen=True, kw_only=True):
    """From the payment's end until its notice arrives, lognormal; how often it comes twice, or
    late by a further such delay and so out of order, or not at the first try; `retry_s` is the
    wait before each further try."""

    p50_ms: Positive
    p99_ms: Positive
    twice_share: Share = 0.0
    late_share: Share = 0.0
    lost_share: Share = 0.0
    retry_s: list[Positive] = []


class Approval(Figures, frozen=True, kw_only=True):
    """The time a person takes to look at the payment and approve it, lognormal."""

    p50_s: Positive
    p99_s: Positive


# Of models and gateways


class TokenLatency(Figures, frozen=True, kw_only=True):
    """Time to first token, lognormal by its median and 99th percentile, then a steady rate."""

    ttft_p50_ms: Positive
    ttft_p99_ms: Positive
    tokens_per_s: Positive


class Reasoning(Figures, frozen=True, kw_only=True):
    """Tokens that a model thinks before its answer, lognormal; they take time and are paid for.
    Where they are shown, an answer's first token is one of them."""

    tokens_p50: Positive
    tokens_p99: Positive
    shown: bool = False


class ColdSchema(Figures, frozen=True, kw_only=True):
    """What the first answer by a schema takes longer, once for each schema, lognormal."""

    p50_ms: Positive
    p99_ms: Positive


class KeepAlive(Figures, frozen=True, kw_only=True):
    """How long after its arrival a call that still waits for its first token is sent a keep-alive
    line, and how long after each one the next."""

    after_ms: Positive


class Structure(Figures, frozen=True, kw_only=True):
    """How often the model's tool call or JSON breaks its schema, and how often it holds a field
    that it must not."""

    breaks_share: Share
    leaks_share: Share


class Price(Figures, frozen=True, kw_only=True):
    """US dollars for a million tokens."""

    input_usd: NotNegative
    output_usd: NotNegative


class Hop(Figures, frozen=True, kw_only=True):
    """What a gateway adds to an answer in all, lognormal; `stream_ms` is added to a stream's first
    byte besides."""

    p50_ms: Positive
    p99_ms: Positive
    stream_ms: NotNegative = 0.0


class Outage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider that answers no call for a while. It begins `from_s` after the first call that
    the provider gets in a round, so that it strikes at the same place on both clocks."""

    provider: ModelProvider
    from_s: NotNegative
    for_s: Positive


class Rate(Figures, frozen=True, kw_only=True):
    cny_per_usd: Positive
