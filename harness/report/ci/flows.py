"""What tests tell of their flows, each once and by a name of its own; nothing here words it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.record.check import Check, FlowFigures, State, TestedFlows

OTHER_REASON = "failed, and not for a check of its latency: its own output says why"


@dataclass(frozen=True, slots=True)
class NamedFlow:
    """`name` is the flow's; with its test, and a number, where tests played it differently."""

    name: str
    figures: FlowFigures


def named_flows(tests: Sequence[TestedFlows]) -> list[NamedFlow]:
    """Every flow in the order in which it was played. One that took the same in several tests is
    one flow; under one name, those that took something else are told apart by their tests."""
    plays: dict[str, list[tuple[str, FlowFigures]]] = {}
    for test in tests:
        for flow in test.flows:
            known = plays.setdefault(flow.name, [])
            if all(figures != flow for _, figures in known):
                known.append((test.test, flow))
    return [named for name, of_name in plays.items() for named in _told_apart(name, of_name)]


def checks_of(tests: Sequence[TestedFlows], state: State | None = None) -> list[Check]:
    """All of them, or those in this state."""
    every = [check for test in tests for check in test.checks]
    return [check for check in every if state in (None, check.state)]


def short_name(test: TestedFlows) -> str:
    """Of the test within its file, `TestPaying::test_pays_in_time`."""
    return test.test.partition("::")[2] or test.test


def reasons(test: TestedFlows) -> list[str]:
    """Why it failed, a sentence each; of one that passed, what could not be told."""
    if test.passed:
        return [check.sentence for check in test.checks if check.state == "cannot tell"]
    return [check.sentence for check in test.checks if check.state != "passed"] or [OTHER_REASON]


def _told_apart(name: str, plays: Sequence[tuple[str, FlowFigures]]) -> Iterator[NamedFlow]:
    if len(plays) == 1:
        yield NamedFlow(name, plays[0][1])
        return
    of_test: dict[str, int] = {}
    for test, figures in plays:
        of_test[test] = of_test.get(test, 0) + 1
        number = f" {of_test[test]}" if of_test[test] > 1 else ""
        yield NamedFlow(f"{name} ({test}){number}", figures)
