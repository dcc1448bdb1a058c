"""One conversation with all that goes wrong in it, and the text that names it; it plays none.

    conversation/stripe/prewarm+token_cache/s17/t2/timeouts@0.pay,cancels@1.confirm#2*3,away@1.900

is a scenario, its lanes, a strategy, the seed of its world, its turns, and what happens to it: a
fault at TURN.STAGE, at another attempt than the first after "#", for more than one attempt after
"*"; and before which turn the user is away, for how many seconds.
"""

import re
from collections.abc import Collection, Iterable, Iterator

import msgspec

from harness.faults import FAULTS, STAGES, Placed
from harness.flow.strategy import MITIGATIONS, Strategy, all_strategies

STRATEGIES: dict[str, Strategy] = {of.name: of for of in all_strategies()}

MOST_TURNS = 9
MOST_LANES = 2
MOST_AWAY_DAYS = 150
"""In all; the longest that is drawn is three months."""

AWAY = "away"


class Away(msgspec.Struct, frozen=True, order=True):
    """Before that turn the user is away for so many seconds more than the scenario says."""

    turn: int
    for_s: int


class Case(msgspec.Struct, frozen=True):
    """What decides all of one conversation. Faults and absences are in order, each once."""

    scenario: str
    lanes: tuple[str, ...]
    """Payment profiles."""
    strategy: str
    seed: int
    turns: int
    faults: tuple[Placed, ...] = ()
    aways: tuple[Away, ...] = ()

    def __str__(self) -> str:
        what = ",".join([*map(_fault_text, self.faults), *map(_away_text, self.aways)])
        parts = (self.scenario, "+".join(self.lanes), self.strategy, f"s{self.seed}")
        return "/".join([*parts, f"t{self.turns}", *([what] if what else [])])


def case_of(text: str, scenarios: Collection[str], profiles: Collection[str]) -> Case:
    """The case that `str` made the text of. ValueError says in one line what is wrong with it."""
    parts = text.strip().split("/")
    if len(parts) not in (5, 6):
        raise ValueError(
            "a case is written SCENARIO/PROFILES/STRATEGY/sSEED/tTURNS or with /FAULTS after it"
        )
    scenario, pay, strategy, seed, turns = parts[:5]
    lanes = tuple(pay.split("+"))
    _known("scenario", [scenario], scenarios)
    _known("payment profile", lanes, profiles)
    _known("strategy", [strategy], STRATEGIES)
    if len(set(lanes)) < len(lanes) or len(lanes) > MOST_LANES:
        raise ValueError(f"a case has one payment profile, or two that differ, not {pay!r}")
    among = _number("number of turns", turns, "t", 1, MOST_TURNS)
    of_world = _number("seed", seed, "s", 0, 2**63 - 1)
    faults, aways = _happening(parts[5].split(",") if len(parts) == 6 else (), among)
    return Case(scenario, lanes, strategy, of_world, among, faults, aways)


def smaller(case: Case) -> Iterator[Case]:
    """Cases that are a step simpler each, the largest steps first: turns less at the end or at the
    beginning, a fault less, a shorter or earlier fault, a simpler strategy, one lane, no
    absence."""
    if case.turns > 1:
        yield from (cut_to(case, turns) for turns in range(1, case.turns))
        yield from (cut_from(case, turn) for turn in range(case.turns - 1, 0, -1))
    for n, fault in enumerate(case.faults):
        rest = case.faults[:n] + case.faults[n + 1 :]
        yield msgspec.structs.replace(case, faults=rest)
        if any(_is_before(fault, of) for of in rest):
            yield msgspec.structs.replace(case, faults=_moved_up(rest, fault))
    for n in range(len(case.aways)):
        yield msgspec.structs.replace(case, aways=case.aways[:n] + case.aways[n + 1 :])
    if len(case.lanes) > 1:
        yield from (msgspec.structs.replace(case, lanes=(lane,)) for lane in case.lanes)
    for simpler in _simpler(case.strategy):
        yield msgspec.structs.replace(case, strategy=simpler)
    for n, fault in enumerate(case.faults):
        for less in _less(fault):
            rest = case.faults[:n] + case.faults[n + 1 :]
            if less not in rest:
                yield msgspec.structs.replace(case, faults=tuple(sorted((*rest, less))))


def cut_to(case: Case, turns: int) -> Case:
    """Its first turns, with what happens in them."""
    return msgspec.structs.replace(
        case,
        turns=turns,
        faults=tuple(of for of in case.faults if of.turn < turns),
        aways=tuple(of for of in case.aways if of.turn < turns),
    )


def cut_from(case: Case, turn: int) -> Case:
    """From that turn on, which is then the first."""
    return msgspec.structs.replace(
        case,
        turns=case.turns - turn,
        faults=tuple(
            msgspec.structs.replace(of, turn=of.turn - turn)
            for of in case.faults
            if of.turn >= turn
        ),
        aways=tuple(Away(of.turn - turn, of.for_s) for of in case.aways if of.turn > turn),
    )


def _moved_up(faults: Iterable[Placed], gone: Placed) -> tuple[Placed, ...]:
    """Those that came after it at its call, an attempt earlier."""
    moved = {
        msgspec.structs.replace(of, attempt=of.attempt - 1) if _is_before(gone, of) else of
        for of in faults
    }
    return tuple(sorted(moved))


def _is_before(one: Placed, other: Placed) -> bool:
    return (one.turn, one.stage) == (other.turn, other.stage) and one.attempt < other.attempt


def _simpler(strategy: str) -> Iterator[str]:
    """Those with a part of its mitigations, the fewest first."""
    parts = [name for name in STRATEGIES if _mitigations(name) < _mitigations(strategy)]
    yield from sorted(parts, key=lambda name: len(_mitigations(name)))


def _mitigations(strategy: str) -> set[str]:
    return {name for name in MITIGATIONS if getattr(STRATEGIES[strategy], name)}


def _less(fault: Placed) -> Iterator[Placed]:
    if fault.lasts > 1:
        yield msgspec.structs.replace(fault, lasts=1)
    if fault.attempt > 1:
        yield msgspec.structs.replace(fault, attempt=1)
    if fault.lasts > 2:
        yield msgspec.structs.replace(fault, lasts=fault.lasts - 1)


def _happening(written: Iterable[str], turns: int) -> tuple[tuple[Placed, ...], tuple[Away, ...]]:
    faults: set[Placed] = set()
    aways: dict[int, Away] = {}
    for what in written:
        found = _read(what)
        if found.turn >= turns:
            raise ValueError(f"{what!r} is in turn {found.turn}, and the last is turn {turns - 1}")
        if found in faults or (isinstance(found, Away) and found.turn in aways):
            raise ValueError(f"{what!r} comes after another one like it")
        if isinstance(found, Away):
            aways[found.turn] = found
        else:
            faults.add(found)
    if sum(of.for_s for of in aways.values()) > MOST_AWAY_DAYS * 86_400:
        raise ValueError(f"the user may be away for {MOST_AWAY_DAYS} days in all, and no longer")
    return tuple(sorted(faults)), tuple(sorted(aways.values()))


def _read(what: str) -> Placed | Away:
    if away := _AWAY.fullmatch(what):
        return Away(int(away["turn"]), int(away["s"]))
    written = _FAULT.fullmatch(what)
    if written is None:
        raise ValueError(f"{what!r} is not as in timeouts@0.pay, reset@1.pay#2*3 or away@1.900")
    fault = next((known for known in FAULTS if known == written["fault"]), None)
    if fault is None:
        raise ValueError(f"there is no fault {written['fault']!r}; take {', '.join(FAULTS)}")
    if written["stage"] not in STAGES[fault]:
        stages = ", ".join(STAGES[fault])
        raise ValueError(f"{fault} cannot strike at {written['stage']!r}; it can at {stages}")
    attempt, lasts = int(written["attempt"] or 1), int(written["lasts"] or 1)
    return Placed(int(written["turn"]), written["stage"], fault, attempt, lasts)


def _known(what: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {what} {name!r}; take {', '.join(known)}")


def _number(what: str, text: str, letter: str, low: int, high: int) -> int:
    if not re.fullmatch(rf"{letter}[0-9]+", text):
        raise ValueError(f"the {what} must be written as in {letter}2, not {text!r}")
    number = text[1:]
    if len(number) > len(str(high)) or not low <= int(number) <= high:
        raise ValueError(f"the {what} must be from {low} to {high}, not {number}")
    return int(number)


def _fault_text(of: Placed) -> str:
    attempt = f"#{of.attempt}" if of.attempt > 1 else ""
    lasts = f"*{of.lasts}" if of.lasts > 1 else ""
    return f"{of.fault}@{of.turn}.{of.stage}{attempt}{lasts}"


def _away_text(of: Away) -> str:
    return f"{AWAY}@{of.turn}.{of.for_s}"


_AWAY = re.compile(rf"{AWAY}@(?P<turn>[0-9])\.(?P<s>[1-9][0-9]{{0,7}})")
_FAULT = re.compile(
    r"(?P<fault>[a-z-]+)@(?P<turn>[0-9])\.(?P<stage>[a-z]+)"
    r"(?:#(?P<attempt>[1-9]))?(?:\*(?P<lasts>[1-9]))?"
)
