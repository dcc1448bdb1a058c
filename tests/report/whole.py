"""Sample runs that between them have every field that a page can tell; nobody measured them."""

from msgspec import structs

from harness.record import (
    CapacitySummary,
    ClaimSummary,
    ColdStart,
    EffectSummary,
    EngineSummary,
    FailureSummary,
    FeeSummary,
    FirstRequest,
    Looks,
    QuantileSummary,
    RunSummary,
    Step,
    TimesTaken,
    Tolerance,
)
from harness.record.reconciliation import BreachSummary, ReconciliationSummary
from harness.record.resilience import FaultCost, ResilienceSummary
from tests.report.sample import sample_run, series_run

FEES = [
    FeeSummary(
        name="wechat-ai", rate=0.006, fixed_minor=0.0, minimum_minor=10.0,
        monthly_minimum_minor=0, provenance="article",
    ),
    FeeSummary(
        name="alipay-ai", rate=0.0038, fixed_minor=0.0, minimum_minor=0.0,
        monthly_minimum_minor=5_000_000, provenance="article",
    ),
]  # fmt: skip
CLAIM = ClaimSummary(
    claimed="haiku-claimed", measured="haiku", claimed_label_ms=210.4, measured_label_ms=733.9,
    claimed_call_ms=480.2, measured_call_ms=1502.75,
)  # fmt: skip


TAKEN = TimesTaken(n=1204, p50_ms=12.34, max_ms=456.75)
COLD_STARTS = [
    ColdStart(
        provider="wechat-ai", connections=1204, ahead=3, failed=2, dns=TAKEN, tcp=TAKEN, tls=TAKEN,
        requests=[
            FirstRequest(stage="pay", first=TAKEN, later=TimesTaken(n=7, p50_ms=9.0, max_ms=9.5)),
            FirstRequest(stage="key", first=TAKEN),
        ],
    ),
    ColdStart(
        provider="<alipay>", connections=1, ahead=0, failed=0, dns=None, tcp=TAKEN, tls=None,
        requests=[],
    ),
]  # fmt: skip


BOOKS = ReconciliationSummary(
    orders=1204, believed=1210, captured_minor={"CNY": 123_456_789, "USD": 4580},
    refunded_minor={"CNY": 4580}, fees_minor={"CNY": 74_083, "USD": 30},
    settled_minor={"CNY": 123_378_126, "USD": 4550}, unknown=2, cut_off=3, forgotten=1,
)  # fmt: skip
BREACH = BreachSummary(
    rule="one capture", lane="<wechat> | ai", order_no="r0a2-1", variant="prewarm", round=1,
    conversation=12, turn=3, why="it was charged 2 times: <b>r0a2-1</b> | r0a2-2",
)  # fmt: skip
OF_ALL = structs.replace(
    BREACH, rule="conservation", order_no="", round=-1, conversation=-1, turn=0, why="1 is left"
)


def resilience(run: RunSummary) -> list[ResilienceSummary]:
    """Of each strategy: one struck turn in four, whichever way it ended."""
    return [
        ResilienceSummary(
            variant=variant.name, turns=400, struck_turns=100, clean_p50_ms=3704.4 - n,
            clean_p95_ms=None, clean_calls_per_turn=3.97, calls_per_turn=4.11,
            amplification=None if n == 1 else 1.0353, wasted_calls_per_turn=0.2125,
            faults=[
                cost(variant.name, "timeouts", 80, 33_950.6, None),
                cost(variant.name, "cancels", 20 * (n != 1), 2145.2 if n != 1 else None, None),
            ],
        )
        for n, variant in enumerate(run.variants)
    ]  # fmt: skip


def cost(variant: str, fault: str, turns: int, p50: float | None, p95: float | None) -> FaultCost:
    return FaultCost(
        variant=variant, fault=fault, strikes=turns + 4, turns=turns, p50_ms=p50, p95_ms=p95,
        calls_per_turn=5.02, failed=turns // 10, reversed=turns // 20,
    )  # fmt: skip


def compared() -> RunSummary:
    """All three mitigations."""
    return filled(sample_run(rounds=6, turns=20)[0])


def filled(run: RunSummary) -> RunSummary:
    """The run of three mitigations with every optional field, and a name that must be escaped."""
    return structs.replace(
        run,
        scenario="<b>coffee</b> & | tea.py",
        argv=["compare", "<b>coffee</b> & | tea.py", "--set", "most_minor=2500"],
        faults={"timeouts": 0.01, "wechat-ai cancels": 0.005},
        parameters={
            "rate": 50.0, "turns": 5, "usual/method~": "balance", "retries": 2, "patience_s": 30.5
        },
        provenance={"wechat-ai fee": "article", "gpt-4o": "measured"},
        versions={"numpy": "2.4.6"},
        files={"flows.parquet": "9f" * 32, "spans.parquet": "07" * 32},
        tolerance=Tolerance(amount=5.0, unit="%"),
        effect_level=0.9875,
        looks=Looks(planned=[5, 10, 15, 20], used=2, ended="certain", alpha=0.05),
        simple_effects=[*run.simple_effects, simple(True), simple(False)],
        effects=[*run.effects, undecided()],
        fees=FEES[:1],
        claims=[CLAIM],
        reconciliation=BOOKS,
        resilience=resilience(run),
    )  # fmt: skip


def few() -> RunSummary:
    """Two rounds of ten turns: no change has an interval, and p95 has too few turns."""
    run, _ = sample_run(("prewarm",), rounds=2, turns=10, error_share=0.3)
    return structs.replace(
        run,
        valid=False,
        invalid_because=["no <turn> finished in 3 s"],
        reconciliation=structs.replace(BOOKS, breached=22, breaches=[OF_ALL, BREACH]),
    )


def failed() -> RunSummary:
    """Most turns failed: no median was ever answered, and no change is known."""
    return sample_run(("prewarm",), rounds=5, turns=10, error_share=0.7)[0]


def providers() -> RunSummary:
    """Two payment providers under one strategy."""
    run, _ = sample_run((), rounds=5, turns=8)
    (variant,) = run.variants
    both = [
        structs.replace(variant, name=fee.name, pay=fee.name, human_ms_mean=1200.4) for fee in FEES
    ]
    return structs.replace(run, variants=both, effects=[], fees=FEES, cold_starts=COLD_STARTS)


def swept() -> RunSummary:
    """A capacity sweep, which varied no mitigation."""
    run, _ = sample_run((), rounds=5, turns=8)
    point = QuantileSummary(
        quantile=0.99, ms=2412.6, lo_ms=2300.2, hi_ms=None, effective_turns=612.3
    )
    step = Step(
        round=0, rate=12.5, completed_rate=12.46, due=750, finished=749, failed=1,
        growth_per_s=0.01, growth_lo_per_s=-0.02, quantiles=[point], sustained=True, because=[],
    )  # fmt: skip
    failed = structs.replace(step, round=1, rate=25.0, sustained=False, because=["1 dropped"])
    capacity = CapacitySummary(
        slo_ms=3000.0, quantile=0.99, sustained_rate=12.5, failed_rate=25.0, confirmed=False,
        steps=[step, failed],
    )  # fmt: skip
    return structs.replace(run, effects=[], capacity=capacity)


def conducted() -> RunSummary:
    """Two strategies side by side at one open rate, made by two engines of which one died."""
    slos = "p99<9s, p95<100ms, p50<3.7s, pay p99<1.2s, errors<5%, pay errors<3%, warm errors<1%"
    run, _ = series_run((), ("prewarm",), error_share=0.03, slos=slos)
    engine = EngineSummary(
        name="host-1_4f2a", due=800, started=640, finished=610, failed=20, running=4, lost=6,
        died="killed by signal 9",
    )  # fmt: skip
    other = structs.replace(
        engine, name="host-2_9c01", started=800, finished=784, failed=16, running=0, lost=0, died=""
    )
    health = structs.replace(
        run.health, due=1600, started=1440, finished=1394, failed=36, running=4, lost=6
    )
    return structs.replace(
        run,
        endpoints="staging",
        health=health,
        engines=[engine, other],
        failures=[
            FailureSummary(stage=stage, cause=cause, count=n)
            for stage, cause, n in (
                ("pay", "RateLimited 429 FREQUENCY_LIMITED", 1212),
                ("intent", "Overloaded 503 <overloaded_error>", 14),
                ("confirm", "Unreachable: connection reset", 3),
                *(("pay", f"Malformed 200 {n}", 1) for n in range(4)),
            )
        ],
        valid=False,
        invalid_because=["engine host-1_4f2a was killed by signal 9: 6 turns were lost"],
    )


def black_box() -> RunSummary:
    """An app that plays its own strategy; mocks behind it told what it called."""
    run, _ = series_run((), turns=40)
    (variant,) = run.variants
    app = structs.replace(variant, name="app", pay="")
    return structs.replace(
        run, scenario="app-chat", endpoints="staging", variants=[app], profiles={}
    )


def nothing() -> RunSummary:
    """A run that was cut off before its first turn."""
    run, _ = sample_run(("prewarm",), rounds=1, turns=1)
    unrun = [structs.replace(v, turns=0, strata=[], percentiles=[]) for v in run.variants]
    return structs.replace(
        run, variants=unrun, effects=[], attribution=[], shifts=[], round_figures=[],
        in_flight=[], rounds_finished=0, valid=False, invalid_because=[],
    )  # fmt: skip


def simple(on: bool) -> EffectSummary:
    return EffectSummary(
        factor="prewarm", given={"token_cache": on, "parallel_confirm": False}, quantile=0.5,
        estimate_ms=-0.04, lo_ms=-0.09, hi_ms=0.02, percent=-0.01, percent_lo=-0.03,
        percent_hi=0.004, p=0.0004, p_holm=0.012, verdict="unchanged",
    )  # fmt: skip


def undecided() -> EffectSummary:
    return EffectSummary(
        factor="token_cache", quantile=0.99, estimate_ms=-86.2, lo_ms=-118.1, hi_ms=-9.4,
        percent=-1.52, percent_lo=-2.0, percent_hi=-0.2, p=0.031, p_holm=0.642,
        verdict="cannot tell", exploratory=True, rounds_needed=1057,
    )  # fmt: skip


RUNS = {
    "compared": compared(),
    "few": few(),
    "failed": failed(),
    "providers": providers(),
    "swept": swept(),
    "conducted": conducted(),
    "black box": black_box(),
    "nothing": nothing(),
}
