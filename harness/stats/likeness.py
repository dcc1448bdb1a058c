"""Are two runs alike enough for their difference to mean something? It compares no latency."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.record import RunSummary, TargetSummary, VariantSummary
from harness.stats.batches import is_series

NOTABLE_SHARE = 0.01
"""Of cold turns: where rounds of another size hold so many more or fewer, their size matters."""


NEAR_RATES = 0.05
"""What users of two runs asked for on average may differ by so much: no two of them begin and end
at the same moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What two runs share, A before B in every sentence."""

    strategies: list[str]
    """Those with turns in both, in the order of A."""
    differences: list[str]
    """Each makes the runs measure different things: what differs between them is then no answer."""
    notes: list[str]
    """What differs but may, because it is what is compared, or only chance."""
    paired: bool
    """The same rounds met the same weather: on the virtual clock, nothing else is by chance."""
    series: bool = False
    """Each is one round that varies no factor, whose batches act as its rounds. Where both also had
    the same schedule, which their rows tell, those pair."""


def likeness(a: RunSummary, b: RunSummary) -> Likeness:
    """Compare how two runs were made, by their summaries."""
    differences = [*_settings(a, b), *_payers(a, b), *_round_size(a, b)]
    ours = {variant.name for variant in b.variants if variant.turns}
    return Likeness(
        strategies=[v.name for v in a.variants if v.turns and v.name in ours],
        differences=differences,
        notes=list(_notes(a, b)),
        paired=_paired(a, b),
        series=is_series(a) and is_series(b),
    )


def _settings(a: RunSummary, b: RunSummary) -> Iterator[str]:
    for what, ours, theirs in (
        ("clock", a.clock, b.clock),
        ("endpoints", a.endpoints, b.endpoints),
        ("scenario", a.scenario, b.scenario),
    ):
        if ours != theirs:
            yield f"{what}: {ours}, {theirs}"
    if a.targets and b.targets:
        yield from _unequal("target", _targets(a), _targets(b))
    may = _may_differ(a, b)
    yield from _unequal("parameter", _but(a.parameters, may), _but(b.parameters, may))
    for fault in _names(a.faults, b.faults):
        if a.faults.get(fault) != b.faults.get(fault):
            shares = (f"{100 * run.faults.get(fault, 0.0):.4g}%" for run in (a, b))
            yield f"fault {fault}: {', '.join(shares)}"
    for name in _names(a.profiles, b.profiles):
        if name not in a.profiles or name not in b.profiles:
            yield f"profile {name}: only in {'A' if name in a.profiles else 'B'}"
        elif a.profiles[name] != b.profiles[name]:
            yield f"profile {name}: not the same figures"


def _targets(run: RunSummary) -> dict[str, str]:
    """What each provider was asked as, where real ones could be asked, and for which models: a mock
    of one has a profile besides."""
    return {name: " ".join((of.kind, *_cast(of))) for name, of in run.targets.items()}


def _cast(of: TargetSummary) -> list[str]:
    return [] if of.kind == "mock" else [f"{role}={of.models[role]}" for role in sorted(of.models)]


def _may_differ(a: RunSummary, b: RunSummary) -> list[str]:
    """The parameters that make runs no less alike: the host, which may be what is compared, and the
    rate where it came of Locust's users and is nearly the same."""
    rates = [run.parameters.get("rate") for run in (a, b) if "flow_rate" in run.parameters]
    known = [rate for rate in rates if isinstance(rate, (int, float))]
    near = len(known) == 2 and abs(known[0] - known[1]) <= NEAR_RATES * max(known)
    return ["host", "rate"] if near else ["host"]


def _payers(a: RunSummary, b: RunSummary) -> Iterator[str]:
    for ours, theirs in _in_both(a, b):
        if ours.pay != theirs.pay:
            yield f"{ours.name} pays by: {ours.pay or 'nobody'}, {theirs.pay or 'nobody'}"


def _round_size(a: RunSummary, b: RunSummary) -> Iterator[str]:
    """Rounds of another size matter where they hold another share of turns that open a session."""
    if _turns_a_round(a) == _turns_a_round(b):
        return
    for ours, theirs in _in_both(a, b):
        shares = _cold_share(ours), _cold_share(theirs)
        if abs(shares[0] - shares[1]) > NOTABLE_SHARE:
            told = ", ".join(f"{share:.0%}" for share in shares)
            yield f"rounds of another size, and with it the cold turns of {ours.name}: {told}"


def _notes(a: RunSummary, b: RunSummary) -> Iterator[str]:
    for what, ours, theirs in (
        ("tollbench", a.tool_version, b.tool_version),
        ("seed", str(a.seed), str(b.seed)),
        ("rounds", str(a.rounds_finished), str(b.rounds_finished)),
        ("turns a round", _turns_a_round(a), _turns_a_round(b)),
    ):
        if ours != theirs:
            yield f"{what}: {ours}, {theirs}"
    for name in _may_differ(a, b):
        yield from _unequal("parameter", _only(a.parameters, name), _only(b.parameters, name))
    yield from _unequal("machine", a.machine, b.machine)
    yield from _unequal("library", a.versions, b.versions)
    for run, other, name in ((a, b, "A"), (b, a, "B")):
        more = _with_turns(run).keys() - _with_turns(other).keys()
        if more:
            yield f"only in {name}: {', '.join(sorted(more))}"


def _paired(a: RunSummary, b: RunSummary) -> bool:
    """Draws hang on seed, round, conversation, turn and stage; profiles scale them, and strategies
    do not touch them."""
    return (
        a.clock == b.clock == "virtual"
        and a.scenario == b.scenario
        and a.parameters == b.parameters
        and (a.seed, a.rounds, a.rounds_finished) == (b.seed, b.rounds, b.rounds_finished)
        and _turns_a_round(a) == _turns_a_round(b)
    )


def _unequal(
    what: str, a: Mapping[str, float | int | str], b: Mapping[str, float | int | str]
) -> Iterator[str]:
    for name in _names(a, b):
        if a.get(name) != b.get(name):
            yield f"{what} {name}: {a.get(name, 'unknown')}, {b.get(name, 'unknown')}"


def _but(
    parameters: Mapping[str, float | int | str], names: Collection[str]
) -> dict[str, float | int | str]:
    return {name: value for name, value in parameters.items() if name not in names}


def _only(parameters: Mapping[str, float | int | str], name: str) -> dict[str, float | int | str]:
    return {name: parameters[name]} if name in parameters else {}


def _names(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _in_both(a: RunSummary, b: RunSummary) -> Iterator[tuple[VariantSummary, VariantSummary]]:
    theirs = _with_turns(b)
    for name, variant in _with_turns(a).items():
        if name in theirs:
            yield variant, theirs[name]


def _with_turns(run: RunSummary) -> dict[str, VariantSummary]:
    return {variant.name: variant for variant in run.variants if variant.turns}


def _turns_a_round(run: RunSummary) -> str:
    """Of a strategy, on average; strategies share their rounds evenly."""
    turns = [variant.turns for variant in run.variants if variant.turns]
    return f"{max(turns) / max(1, run.rounds_finished):.4g}" if turns else "0"


def _cold_share(variant: VariantSummary) -> float:
    cold = sum(stratum.turns for stratum in variant.strata if stratum.name == "cold")
    return cold / variant.turns
