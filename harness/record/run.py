"""The shape of run.json: a run's settings and every figure taken from it; it computes nothing.

results/README.md describes each field for readers of the file.
"""

from typing import Literal

import msgspec

from harness.record.account import EngineSummary, FailureSummary, Health, SloSummary
from harness.record.reconciliation import ReconciliationSummary
from harness.record.resilience import ResilienceSummary

SCHEMA: Literal[2] = 2

Verdict = Literal["improved", "regressed", "unchanged", "cannot tell", "unknown"]
"""What an interval allows us to say against a tolerance: beyond it either way, within it, or none
of these. "unknown" is no interval at all: too few rounds or turns, or too many failed."""


class Tolerance(msgspec.Struct, frozen=True):
    """How large a change must be to matter, in percent or in ms; 0 is any change at all, in ms."""

    amount: float = 0.0
    unit: Literal["%", "ms"] = "%"


class QuantileSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A quantile of response time. All of it is null below the n that its interval needs; a figure
    alone is null where it is infinite: so many turns failed that it lies among them."""

    quantile: float
    ms: float | None
    lo_ms: float | None
    hi_ms: float | None
    effective_turns: float | None
    """So many independent turns would know it as well as these do; null below 5 rounds,
    or batches of a run of one, where nothing tells, and turns are taken to be independent."""


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """The turns for which a session had to be opened, or the others."""

    name: Literal["cold", "steady"]
    turns: int
    quantiles: list[QuantileSummary]


class VariantSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy did over all rounds. A quantile whose interval needs more turns is null."""

    name: str
    prewarm: bool
    token_cache: bool
    parallel_confirm: bool
    factors: dict[str, bool | str] = {}
    """Of a function of the user's own: the keywords that were varied, each with its value here."""
    pay: str = ""
    """The payment profiles it paid by, joined by "+"."""
    turns: int
    p50_ms: float | None
    p50_ms_lo: float | None
    p50_ms_hi: float | None
    p95_ms: float | None
    p95_ms_lo: float | None
    p95_ms_hi: float | None
    p99_ms: float | None
    p99_ms_lo: float | None
    p99_ms_hi: float | None
    slo: dict[str, float]
    """Share of turns answered within each budget, keyed "1s", "3s", "5s"."""
    calls_per_turn: float
    wasted_prewarms: int
    stale_tokens: int
    reversals: int
    corrections: int
    guarded: int
    """Answers of a model that the guard stopped."""
    errors: int
    fee_minor_mean: float
    amount_minor_mean: float
    token_cost_minor_mean: float
    """Of the models' tokens, as the fee in minor units, but as fine as it is: a few hundredths."""
    human_ms_mean: float
    """What the users took to approve a payment; part of no response time."""
    critical_ms: dict[str, float]
    """Mean ms a turn spends in each stage on its critical path; they add up to the mean turn."""
    quantiles: list[QuantileSummary] = []
    """Those asked for, p50, p95 and p99 among them."""
    percentiles: list[QuantileSummary] = []
    """The whole curve, from the median outwards, as far as n allows."""
    strata: list[Stratum] = []


class EffectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a mitigation, or several together, change at a quantile; negative saves.

    `factor` is a mitigation, or an interaction of two or three joined by ":". `given` is empty for
    a change averaged over the settings of the other mitigations; else it holds those settings.
    In percent a main or simple effect is a ratio less one, an interaction a ratio of ratios.
    """

    factor: str
    given: dict[str, bool] = {}
    quantile: float
    estimate_ms: float
    lo_ms: float | None
    hi_ms: float | None
    percent: float | None = None
    percent_lo: float | None = None
    percent_hi: float | None = None
    p: float | None = None
    """Of the change being no larger than the tolerance, two-sided, for this question alone."""
    p_holm: float | None = None
    """The same for all questions but the primary ones together; null for a primary one."""
    primary: bool = False
    """Declared before the run: judged by its own p, and the others by Holm's."""
    verdict: Verdict = "unknown"
    exploratory: bool = False
    """Its own interval would decide, but not with so many questions asked at once."""
    rounds_needed: int | None = None
    """About how many rounds like these would decide; null where it is decided or nothing tells."""


class StagePart(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a change lies in one stage of the critical path."""

    stage: str
    ms: float
    lo_ms: float | None = None
    hi_ms: float | None = None


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """A change laid out by stage: the parts add up to it exactly.

    At the mean the parts are differences of stage means, with intervals. At a quantile they are
    those of the turns that rank about it, scaled to the quantile, without.
    """

    factor: str
    given: dict[str, bool] = {}
    quantile: float | None
    """Null is the mean of the turns that were answered."""
    total_ms: float
    parts: list[StagePart]


class ShiftPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's quantile less the baseline's; the bounds hold for all points together."""

    quantile: float
    ms: float
    lo_ms: float | None
    hi_ms: float | None


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant differs from the baseline, percentile by percentile."""

    variant: str
    baseline: str
    points: list[ShiftPoint]


class RoundFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's median in each round, or each batch of a run of one, and less the baseline's of
    the same one; null where it had no answer in the middle. The baseline has no differences."""

    variant: str
    baseline: str
    medians_ms: list[float | None]
    differences_ms: list[float | None]


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """Response times of the turns that found so many others in flight when they were due."""

    variant: str
    least: int
    most: int
    turns: int
    quantiles: list[QuantileSummary]


class WarmUp(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out for warming up, and whether that was enough."""

    discarded_turns: int
    """Run before the first round, and in no figure."""
    transients: dict[str, int] = {}
    """Variant -> how many of its first turns MSER-5 would cut, where that is an alarm."""


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """A run that could stop early: when it looked, and what that costs."""

    planned: list[int]
    """After how many rounds, declared before the first."""
    used: int
    ended: Literal["certain", "last look", "stopped"]
    alpha: float
    """Over all looks together. Each interval is at 1 - alpha / planned looks."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rate of a capacity sweep."""

    round: int
    """The rows of this step."""
    rate: float
    """Offered, turns/s."""
    completed_rate: float
    due: int
    finished: int
    failed: int
    growth_per_s: float
    growth_lo_per_s: float | None
    """Of the turns in flight; above 0 they pile up."""
    quantiles: list[QuantileSummary]
    sustained: bool
    because: list[str]
    """Why not."""


class CapacitySummary(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate that was sustained and the lowest that was not; null was not found."""

    slo_ms: float
    quantile: float
    sustained_rate: float | None
    failed_rate: float | None
    confirmed: bool
    """Whether both ends were measured twice."""
    steps: list[Step]


class FeeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A payment profile's fee, in minor units of CNY: max(minimum, rate * amount + fixed)."""

    name: str
    rate: float
    fixed_minor: float
    minimum_minor: float
    monthly_minimum_minor: int
    """Of fees or of volume: its source does not say."""
    provenance: str


class ClaimSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is claimed to take for a short label and for a tool call, and what it was
    measured to take; medians of the whole answer."""

    claimed: str
    measured: str
    claimed_label_ms: float
    measured_label_ms: float
    claimed_call_ms: float
    measured_call_ms: float


TargetKind = Literal["mock", "sandbox", "real"]


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider was asked as, and why."""

    kind: TargetKind
    why: str = ""
    """Of a mock, where another could be asked; else which environment variables opened it."""
    payments: bool = False
    """Whether it moves money, and is no model."""
    models: dict[str, str] = {}
    """Role -> the model that played it there, by its maker's id of it."""


class SpentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the providers that are no mocks were asked in all, warm-up included."""

    requests: dict[str, int] = {}
    orders: dict[str, int] = {}
    """Made, by provider; each of the least amount."""
    usd: float = 0.0
    """Of model tokens, by the prices of the profiles."""
    held_back: int = 0
    """Requests that waited so that a payment host is not asked too often; their time is in no
    figure of the provider's, but in the turn's."""
    left_open: int = 0
    """Orders that could not be closed, canceled or given back at the end."""
    running_out: int = 0
    """Orders that nothing can close and nobody can pay: they end by themselves."""
    run_out_by: str = ""
    """When the last of them does, as 2026-11-23T16:15:00+08:00."""


class TimesTaken(msgspec.Struct, frozen=True, kw_only=True):
    """So many times, with their median and the longest."""

    n: int
    p50_ms: float
    max_ms: float


class FirstRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Answered calls of one stage, by whether their connection was opened for them."""

    stage: str
    first: TimesTaken
    """From when the connection was there: what opening it took is no part of it."""
    later: TimesTaken | None = None
    """On a connection that stood open, from an earlier call or opened ahead."""


class ColdStart(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to open connections to one provider, phase by phase, in all variants."""

    provider: str
    connections: int
    ahead: int
    """Of these, opened before a call asked for one."""
    failed: int
    """Openings that came to no connection; their phases are in no figure."""
    dns: TimesTaken | None
    """Null where no name was looked up: the host is an address."""
    tcp: TimesTaken | None
    tls: TimesTaken | None
    requests: list[FirstRequest]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of run.json."""

    schema: Literal[2] = SCHEMA
    run_id: str
    tool_version: str
    scenario: str
    parameters: dict[str, float | int | str]
    clock: Literal["virtual", "real"]
    endpoints: Literal["mock", "staging", "real", "mixed"]
    """All of one kind, or some real and some mocked."""
    targets: dict[str, TargetSummary] = {}
    """By provider, where the run could have asked real ones."""
    spent: SpentSummary | None = None
    seed: int
    faults: dict[str, float] = {}
    """What went wrong on purpose, and with which share of the calls that it can strike."""
    rounds: int
    rounds_finished: int
    started_at: str
    began_unix_s: dict[int, float] = {}
    """Round -> when the times of its rows begin, where that was on the real clock and is known."""
    wall_s: float
    argv: list[str]
    machine: dict[str, str]
    profiles: dict[str, str]
    provenance: dict[str, str] = {}
    """Whose figures the mocks replay, by what they are: article, vendor, measured or assumed."""
    versions: dict[str, str] = {}
    """Of the libraries that a figure can hang on."""
    rows_sha256: str
    files: dict[str, str] = {}
    """File beside this one -> its SHA-256."""
    valid: bool
    invalid_because: list[str]
    health: Health
    level: float = 0.95
    """Of every interval but those of the effects of a run that could stop early."""
    effect_level: float = 0.95
    tolerance: Tolerance = Tolerance()
    primary: float = 0.5
    """The quantile whose main effects were the question."""
    looks: Looks | None = None
    warm_up: WarmUp | None = None
    variants: list[VariantSummary]
    effects: list[EffectSummary]
    simple_effects: list[EffectSummary] = []
    attribution: list[Attribution] = []
    shifts: list[Shift] = []
    round_figures: list[RoundFigures] = []
    in_flight: list[InFlight] = []
    capacity: CapacitySummary | None = None
    fees: list[FeeSummary] = []
    claims: list[ClaimSummary] = []
    cold_starts: list[ColdStart] = []
    """By provider, where the run tells connections apart."""
    failures: list[FailureSummary] = []
    """The most frequent first."""
    slos: list[SloSummary] = []
    engines: list[EngineSummary] = []
    reconciliation: ReconciliationSummary | None = None
    """The apps' beliefs held against the books; null where nobody tells those."""
    resilience: list[ResilienceSummary] = []
    """By variant, where faults were asked for."""
