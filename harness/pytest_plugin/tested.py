"""What one test did with flows, gathered while it runs and told to pytest's controller in its
reports; it plays and judges none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypedDict, TypeVar

import pytest

if TYPE_CHECKING:
    from harness.cli.played import Played
    from harness.record.check import Check

__tracebackhide__ = True

FIXTURES = frozenset({"play_flow", "flow_benchmark", "assert_latency"})

Held = tuple[str, str, str]
"""A baseline: its folder, its name, and a digest of what was played by that name."""

T = TypeVar("T")


@dataclass(slots=True)
class Tested:
    """Of one test, since it was last begun. What is told is taken out, the flows apart."""

    played: "list[Played]" = field(default_factory=list)
    told: int = 0
    """So many of these flows."""
    checks: "list[Check]" = field(default_factory=list)
    written: list[Held] = field(default_factory=list)
    """Baselines that were made."""
    compared: list[Held] = field(default_factory=list)
    properties: list[tuple[str, object]] = field(default_factory=list)
    """Those of the item that come from here."""

    def add(self, played: "Played") -> None:
        if all(played is not other for other in self.played):
            self.played.append(played)


class Findings(TypedDict):
    """A TestedFlows as plain data."""

    test: str
    path: str
    line: int
    passed: bool
    flows: list[object]
    checks: list[object]


class Told(TypedDict):
    """What a report carries in its attribute `tollbench`: what came since the one before it."""

    tested: Findings
    written: list[Held]
    compared: list[Held]


_KEY = pytest.StashKey[Tested]()


def tested_by(item: pytest.Item) -> Tested:
    return item.stash.setdefault(_KEY, Tested())


def was_begun(item: pytest.Item) -> bool:
    """Before, and is now run again."""
    return _KEY in item.stash


def begin_anew(item: pytest.Item) -> None:
    """Nothing of an earlier run of it is told again."""
    if _KEY in item.stash:
        _drop_properties(item, item.stash[_KEY])
        del item.stash[_KEY]


def refuse(item: pytest.Item, flow: str, asked: str, mistakes: Sequence[str]) -> NoReturn:
    """Fail the test with what is wrong, a line each; CI is told the same lines."""
    from harness.record.check import Check

    tested_by(item).checks.extend(
        Check(flow=flow, asked=asked, state="failed", sentence=mistake) for mistake in mistakes
    )
    pytest.fail("\n".join(mistakes), pytrace=False)


def told(item: pytest.Item, failed: bool, line: int) -> Told | None:
    """What came since it was last asked; None of a test that asked for no flow, unless it failed
    where it might still have done so."""
    if _KEY not in item.stash and not (failed and FIXTURES & set(_fixtures(item))):
        return None
    import msgspec

    tested = tested_by(item)
    fresh = tested.played[tested.told :]
    tested.told = len(tested.played)
    return Told(
        tested=Findings(
            test=item.nodeid,
            path=path_of(item),
            line=line,
            passed=not failed,
            flows=[msgspec.to_builtins(played.figures) for played in fresh],
            checks=[msgspec.to_builtins(check) for check in _taken(tested.checks)],
        ),
        written=_taken(tested.written),
        compared=_taken(tested.compared),
    )


def merged(known: Told | None, found: Told) -> Told:
    """Of two reports of one run of a test: what both tell, and the line that failed first."""
    if known is None:
        return found
    before, after = known["tested"], found["tested"]
    where = after if before["passed"] and not after["passed"] else before
    return Told(
        tested=Findings(
            test=after["test"],
            path=after["path"],
            line=where["line"],
            passed=before["passed"] and after["passed"],
            flows=[*before["flows"], *after["flows"]],
            checks=[*before["checks"], *after["checks"]],
        ),
        written=[*known["written"], *found["written"]],
        compared=[*known["compared"], *found["compared"]],
    )


def forget_turns(item: pytest.Item) -> None:
    """They are many, and need not be kept for as long as the session lasts."""
    if _KEY in item.stash:
        item.stash[_KEY].played.clear()
        item.stash[_KEY].told = 0


def keep_properties(item: pytest.Item) -> None:
    """For JUnit: the percentiles of each flow, by its name where there are several."""
    tested = item.stash.get(_KEY, None)
    if tested is None or not tested.played:
        return
    _drop_properties(item, tested)
    tested.properties = [
        (f"{of.name} {name}" if len(tested.played) > 1 else name, ms)
        for of in tested.played
        for name, ms in percentiles_ms(of).items()
        if ms is not None
    ]
    item.user_properties.extend(tested.properties)


def percentiles_ms(played: "Played") -> dict[str, float | None]:
    """`p50_ms` and the others that are told; None where so many turns failed."""
    return {f"p{point.quantile * 100:g}_ms": point.ms for point in played.figures.quantiles}


def path_of(item: pytest.Item) -> str:
    """Of its file, from the root of the project if it lies in there."""
    root = item.config.rootpath
    path = Path(item.path)
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _drop_properties(item: pytest.Item, tested: Tested) -> None:
    ours = {id(of) for of in tested.properties}
    item.user_properties[:] = [of for of in item.user_properties if id(of) not in ours]


def _fixtures(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


def _taken(found: list[T]) -> list[T]:
    taken = list(found)
    found.clear()
    return taken
