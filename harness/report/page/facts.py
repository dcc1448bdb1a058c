"""What a run was and what it stands on: its validity, claims, settings and how to have it again."""

import shlex
from collections.abc import Iterable, Sequence

from harness.record import RunSummary
from harness.report.page.cells import UNKNOWN, Cell, Table, count, ms, name_of, place, table
from harness.report.series import batch_count
from harness.report.targets import endpoints_text

Fact = tuple[str, Cell]
"""What is told, and the telling."""

NOT_MODELLED = (
    "network distance, TLS and DNS",
    "prompts whose length costs time",
    "models that refuse, or misread a wish in any other way than by breaking their schema or by "
    "faults that are asked for",
    "batching and priorities inside a model server",
    "a client that hangs up",
)
NOT_MODELLED_OF = {
    "wechat-ai": "webhooks, risk checks, a password or face check",
    "alipay-ai": "certificate mode, AES content, settlement splitting",
    "stripe": "3-D Secure pages, Connect, disputes, payouts",
    "flat": "webhooks",
    "unionpay-ai": "all that its operator may yet decide",
    "alipay-v3": "certificate mode, notices, codes that run out",
    "unionpay": "notices, pre-authorisation, that only a purchase of the same day can be undone",
    "wechatpay": "notices, orders that close by themselves or are too young to be closed",
}
"""By the payment profile, or what it begins with."""


def run_facts(summary: RunSummary) -> list[Cell]:
    """What was run, in a few words each."""
    rounds, batches = summary.rounds_finished, batch_count(summary)
    whole = rounds == summary.rounds
    of_them = "round" if summary.rounds == 1 else "rounds"
    return [
        Cell(f"{summary.clock} clock"),
        Cell(endpoints_text(summary)),
        Cell(f"seed {summary.seed}", ("/seed",)),
        Cell(f"{rounds:,} {of_them}", ("/rounds_finished",))
        if whole
        else Cell(f"{rounds:,} of {summary.rounds:,} {of_them}", ("/rounds_finished", "/rounds")),
        *([Cell(f"{batches} batches", derived=True)] if batches else []),
        Cell(summary.started_at[:19].replace("T", " "), ("/started_at",)),
        *_faults(summary),
    ]


def health_table(summary: RunSummary) -> Table:
    """The instrument's own error, and whether every turn came to its end."""
    health, at = summary.health, "/health"
    rows = [
        (name_of("measurement error, p50"), _error(health.error_p50_ms, at + "/error_p50_ms")),
        (name_of("measurement error, p99"), _error(health.error_p99_ms, at + "/error_p99_ms")),
        (name_of("turns started late by, p99"), _error(health.lag_p99_ms, at + "/lag_p99_ms")),
        (name_of("turns due"), count(health.due, at + "/due")),
        (name_of("turns started"), count(health.started, at + "/started")),
        (name_of("turns finished"), count(health.finished, at + "/finished")),
        (name_of("turns failed"), count(health.failed, at + "/failed")),
        (name_of("turns in flight at the end"), count(health.running, at + "/running")),
        (name_of("turns lost with their process"), count(health.lost, at + "/lost")),
        (name_of("secrets found in prompts"), count(health.leaks, at + "/leaks")),
    ]
    if summary.warm_up:
        left_out = count(summary.warm_up.discarded_turns, "/warm_up/discarded_turns")
        rows.append((name_of("turns left out to warm up"), left_out))
    return table("What the instrument knows of its own error", ("check", "found"), rows)


def looks_table(summary: RunSummary) -> Table | None:
    """When a run that could stop early looked, and at what price."""
    looks = summary.looks
    if looks is None:
        return None
    at = "/looks"
    planned = tuple(f"{at}/planned/{i}" for i in range(len(looks.planned)))
    rows = [
        (name_of("looks declared, after rounds"), Cell(_list(looks.planned), planned)),
        (name_of("looks used"), count(looks.used, at + "/used")),
        (name_of("ended by"), Cell(looks.ended, (at + "/ended",))),
        (name_of("alpha of all looks together"), Cell(f"{looks.alpha:g}", (at + "/alpha",))),
        (
            name_of("level of each interval of an effect"),
            Cell(f"{100 * summary.effect_level:.4g} %", ("/effect_level",), 100),
        ),
    ]
    return table("A run that could stop early", ("rule", "declared or found"), rows)


def claims_table(summary: RunSummary) -> Table | None:
    """What models are claimed to take beside what others measured."""
    if not summary.claims:
        return None
    rows = []
    for i, claim in enumerate(summary.claims):
        at = place("claims", i)
        for what, claimed, measured in (
            ("a 5-token label", "claimed_label_ms", "measured_label_ms"),
            ("a 60-token call", "claimed_call_ms", "measured_call_ms"),
        ):
            rows.append(
                (
                    Cell(claim.claimed, (at + "/claimed",)),
                    name_of(what),
                    ms(getattr(claim, claimed), f"{at}/{claimed}"),
                    ms(getattr(claim, measured), f"{at}/{measured}"),
                    Cell(claim.measured, (at + "/measured",)),
                )
            )
    return table(
        "Claimed and measured medians of the whole answer, ms",
        ("claimed of", "for", "claimed", "measured", "measured of"),
        rows,
    )


def provenance_table(summary: RunSummary) -> Table | None:
    """Whose figures the mocks replayed."""
    if not summary.provenance:
        return None
    rows = [
        (name_of(what), Cell(origin, (place("provenance", what),)))
        for what, origin in summary.provenance.items()
    ]
    return table("Whose figures the mocks replayed", ("figure", "origin"), rows)


def targets_table(summary: RunSummary) -> Table | None:
    """Which provider was asked in reality, which was mocked, and why."""
    if not summary.targets:
        return None
    rows = [
        (
            name_of(provider),
            Cell(of.kind, (place("targets", provider, "kind"),)),
            Cell(of.why, (place("targets", provider, "why"),)),
        )
        for provider, of in summary.targets.items()
    ]
    return table("Who was asked", ("provider", "as", "because"), rows)


def command(summary: RunSummary) -> str:
    """What was typed. Only Locust's runs have engines."""
    return shlex.join(["locust" if summary.engines else "tollbench", *summary.argv])


def reproduction_table(summary: RunSummary) -> Table:
    """Everything that the rows of a run hang on, and their hash."""
    facts: list[Fact] = [
        ("run", Cell(summary.run_id, ("/run_id",))),
        ("seed", Cell(str(summary.seed), ("/seed",))),
        ("tollbench", Cell(summary.tool_version, ("/tool_version",))),
        *_of(summary.versions, "versions"),
        *_of(summary.machine, "machine"),
        ("started", Cell(summary.started_at, ("/started_at",))),
        ("took, s", Cell(f"{summary.wall_s:.1f}", ("/wall_s",))),
        ("hash of the rows", Cell(summary.rows_sha256, ("/rows_sha256",))),
        *_of(summary.files, "files", "SHA-256 of {}"),
        *_of(summary.profiles, "profiles", "profile {}"),
    ]
    return table("What the rows hang on", ("what", "which"), [(name_of(n), c) for n, c in facts])


def parameters_table(summary: RunSummary) -> Table:
    """The scenario's parameters, as it ran with them."""
    rows = [
        (name_of(name), Cell(f"{value:g}" if isinstance(value, float) else str(value), (at,)))
        for name, value in summary.parameters.items()
        for at in [place("parameters", name)]
    ]
    return table(f"Parameters of {summary.scenario}", ("parameter", "value"), rows)


def unmodelled(summary: RunSummary) -> list[str]:
    """What the mocks of this run leave out; nothing for a run without mocks."""
    if summary.endpoints not in ("mock", "mixed"):
        return []
    asked = {name for name, of in summary.targets.items() if of.kind != "mock"}
    paid_by = dict.fromkeys(name for v in summary.variants for name in v.pay.split("+") if v.pay)
    return [
        *NOT_MODELLED,
        *(
            f"{name}: {NOT_MODELLED_OF[known]}"
            for name in paid_by
            if (known := _known(name)) and known not in asked
        ),
    ]


def _faults(summary: RunSummary) -> Iterable[Cell]:
    """What was to go wrong, where no table of what it cost tells it."""
    if summary.faults and not summary.resilience:
        told = ", ".join(f"{fault} {100 * share:.4g}%" for fault, share in summary.faults.items())
        yield Cell(f"faults: {told}", tuple(place("faults", of) for of in summary.faults), 100)


def _known(profile: str) -> str:
    """The longest name that the profile's is, or begins with; "" for none."""
    names = (name for name in NOT_MODELLED_OF if f"{profile}-".startswith(f"{name}-"))
    return max(names, key=len, default="")


def _of(values: dict[str, str], field: str, form: str = "{}") -> Iterable[Fact]:
    for name, value in values.items():
        yield form.format(name), Cell(value, (place(field, name),))


def _error(figure: float | None, at: str) -> Cell:
    return Cell(UNKNOWN, (at,)) if figure is None else Cell(f"{figure:.2f} ms", (at,))


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
