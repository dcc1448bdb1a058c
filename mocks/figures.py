"""What a profile can say: shapes of figures with their provenance; it loads and draws nothing."""

import datetime
from functools import cached_property
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType, structs

from harness.laws import Empirical, Law, Lognormal, Stalling

Provenance = Literal["article", "vendor", "measured", "assumed"]
# The upper bounds keep out infinity, which TOML can spell.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Minor = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**12)]
Some = Annotated[int, msgspec.Meta(ge=1, lt=10**12)]

PaymentProvider = Literal[
    "wechat-ai",
    "alipay-ai",
    "stripe",
    "flat",
    "unionpay-ai",
    "wechatpay",
    "alipay-v3",
    "unionpay",
]
ModelProvider = Literal["openai", "anthropic", "gemini", "deepseek", "qwen", "mistral"]
GatewayProvider = Literal["openrouter", "litellm", "portkey", "tokenmix"]


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures and where they come from."""

    provenance: Provenance
    source: str
    date: datetime.date


# Of whatever takes time


class Stalls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of all that take much longer than the others, and how long, lognormal."""

    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    p50_ms: Positive
    p99_ms: Positive


class Timed(Figures, frozen=True, kw_only=True, dict=True):
    """A time that is drawn: lognormal by its median and 99th percentile. Its laws are worked out
    once, and kept beside the figures.

    With `stalls` these two are of what does not stall. `quantiles_ms` is in place of both: pairs of
    a share, from 0 to 1, and the time below which it lies; the two are then its summary.
    """

    ENDS: ClassVar[tuple[str, str]] = ("p50_ms", "p99_ms")
    """The names of the median and the 99th percentile."""
    SECOND: ClassVar[float] = 1e3
    """In the unit of these two."""

    stalls: Stalls | UnsetType = UNSET
    quantiles_ms: list[tuple[Share, Positive]] | UnsetType = UNSET

    def law_ms(self) -> Law:
        return self._law_ms

    def usual_ms(self) -> Lognormal:
        """By the median and the 99th percentile alone."""
        p50, p99 = self._ends()
        scale = 1e3 / self.SECOND  # 1 for milliseconds, which are taken to the last bit.
        return Lognormal(p50 * scale, p99 * scale)

    def quantile_s(self, u: float) -> float:
        """Of a lognormal to the last bit that of the figures in seconds."""
        if self.stalls is UNSET and self.quantiles_ms is UNSET:
            return self._usual_s.quantile(u)
        return self._law_ms.quantile(u) / 1e3

    @cached_property
    def _law_ms(self) -> Law:
        if self.quantiles_ms is not UNSET:
            return Empirical(self.quantiles_ms)
        usual, stalls = self.usual_ms(), self.stalls
        if stalls is UNSET:
            return usual
        return Stalling(usual, stalls.share, Lognormal(stalls.p50_ms, stalls.p99_ms))

    @cached_property
    def _usual_s(self) -> Lognormal:
        p50, p99 = self._ends()
        return Lognormal(p50 / self.SECOND, p99 / self.SECOND)

    def _ends(self) -> tuple[float, float]:
        p50, p99 = (getattr(self, name) for name in self.ENDS)
        return p50, p99


TimedT = TypeVar("TimedT", bound=Timed)


def stretched(of: TimedT, times: float) -> TimedT:
    """The same that takes so many times as long by any luck."""
    ends = {name: getattr(of, name) * times for name in of.ENDS}
    stalls, quantiles = of.stalls, of.quantiles_ms
    if stalls is not UNSET:
        stalls = structs.replace(stalls, p50_ms=stalls.p50_ms * times, p99_ms=stalls.p99_ms * times)
    if quantiles is not UNSET:
        quantiles = [(share, ms * times) for share, ms in quantiles]
    return structs.replace(of, stalls=stalls, quantiles_ms=quantiles, **ends)


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


class Overhead(Timed, frozen=True, kw_only=True):
    """One cold transaction, session included."""

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
        worth = round(exchange * 1_000_000)
        least = (self.minimum_minor * worth + 500_000) // 1_000_000
        fixed = (self.fixed_minor * worth + 500_000) // 1_000_000
        return max(least, share + fixed)


class WebhookTerms(Timed, frozen=True, kw_only=True):
    """From the payment's end until its notice arrives; how often it comes twice, or
    late by a further such delay and so out of order, or not at the first try; `retry_s` is the
    wait before each further try."""

    p50_ms: Positive
    p99_ms: Positive
    twice_share: Share = 0.0
    late_share: Share = 0.0
    lost_share: Share = 0.0
    retry_s: list[Positive] = []


class Approval(Timed, frozen=True, kw_only=True):
    """The time a person takes to look at the payment and approve it."""

    ENDS = ("p50_s", "p99_s")
    SECOND = 1.0

    p50_s: Positive
    p99_s: Positive


# Of models and gateways


class TokenLatency(Timed, frozen=True, kw_only=True):
    """Time to first token, then a rate that is steady within an answer.

    With `tokens_per_s_p1`, of which one answer in a hundred falls short, answers differ:
    `tokens_per_s` is then their median, and the time for a token is lognormal.
    """

    ENDS = ("ttft_p50_ms", "ttft_p99_ms")

    ttft_p50_ms: Positive
    ttft_p99_ms: Positive
    tokens_per_s: Positive
    tokens_per_s_p1: Positive | UnsetType = UNSET

    def rate(self, u: float) -> float:
        """Tokens a second, the fewer the higher the draw."""
        law = self._token_s
        return 1 / law.quantile(u) if law else self.tokens_per_s

    @cached_property
    def _token_s(self) -> Lognormal | None:
        """How long a token takes, where answers differ."""
        if self.tokens_per_s_p1 is UNSET:
            return None
        return Lognormal(1 / self.tokens_per_s, 1 / self.tokens_per_s_p1)


class Reasoning(Figures, frozen=True, kw_only=True):
    """Tokens that a model thinks before its answer, lognormal; they take time and are paid for.
    Where they are shown, an answer's first token is one of them."""

    tokens_p50: Positive
    tokens_p99: Positive
    shown: bool = False


class ColdSchema(Timed, frozen=True, kw_only=True):
    """What the first answer by a schema takes longer, once for each schema."""

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


class Hop(Timed, frozen=True, kw_only=True):
    """What a gateway adds to an answer in all; `stream_ms` is added to a stream's first
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
