"""What tests found about flows, told to the terminal, to JUnit and to CI; it judges nothing.

Each test's findings travel in its reports, so that with pytest-xdist they reach the one process
that writes files.
"""

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin.holding import ASKED, Shared, release, shared
from harness.pytest_plugin.summary import summary_lines, written_lines
from harness.pytest_plugin.tested import (
    Told,
    begin_anew,
    forget_turns,
    keep_properties,
    merged,
    told,
)

if TYPE_CHECKING:
    from harness.record.check import Check, TestedFlows

__tracebackhide__ = True

UNCOLLECTED = "could not be collected: its own output says why"
DIED = "its worker ended before it did: its own output says why"

PHASES = ("setup", "call", "teardown")
TO_THE_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
"""How a session ends that ran all its tests, unless it was stopped."""


class Telling:
    """Gathers what the reports of a session tell, and tells it at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._told: dict[str, Told] = {}
        # By node id: a test that is run again is told once.
        self._uncollected: dict[str, None] = {}
        self._died: dict[str, None] = {}
        self._interrupted = False
        self._tests: list[TestedFlows] = []
        self._lines: list[str] = []
        self._out = self._checked_out()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        release(item)
        begin_anew(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        keep_properties(item)
        report = yield
        found = told(item, failed=report.failed, line=_line(item, call))
        if found is not None:
            report.__dict__["tollbench"] = found
        if call.when == "teardown":
            forget_turns(item)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup, call and teardown are a report each, and so is every subtest. One of no such phase
        comes from pytest-xdist and the like, in place of the test's own, when a worker died."""
        if report.when == "setup":
            self._told.pop(report.nodeid, None)
            self._died.pop(report.nodeid, None)
        if report.failed and report.when not in PHASES:
            self._died[report.nodeid] = None
        known = self._told.get(report.nodeid)
        found: Told | None = getattr(report, "tollbench", None)
        if found is not None:
            known = self._told[report.nodeid] = merged(known, found)
        if known is not None and report.failed:
            known["tested"]["passed"] = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected[report.nodeid or "."] = None

    def pytest_keyboard_interrupt(self) -> None:
        """By pytest.exit too, with any exit status."""
        self._interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        idle = self._is_worker or self._config.getoption("collectonly")
        if idle or (not self._told and self._out is None):
            return
        from harness.report.ci import write_ci

        twice = shared(self._told.values())
        self._tests = self._all_tests(twice)
        self._lines = [f"ERROR: {of.sentence}" for of in twice]
        if twice and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        stopped = self._interrupted or bool(session.shouldfail) or exitstatus not in TO_THE_END
        root = session.config.rootpath
        try:
            self._lines += write_ci(self._tests, self._out, os.environ, root, finished=not stopped)
        except OSError as error:
            self._lines += [f"--tollbench-out: {self._out} cannot be written: {error.strerror}"]
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        quiet = self._config.get_verbosity() < 0
        if lines := summary_lines(self._tests, quiet=quiet):
            terminalreporter.section("latency of flows")
            for line in lines:
                terminalreporter.write_line(line)
        written = [(at, name) for of in self._told.values() for at, name, _ in of["written"]]
        for line in written_lines(written):
            terminalreporter.write_line(line)
        terminalreporter.ensure_newline()
        for line in self._lines:
            terminalreporter.write_line(line)

    def _all_tests(self, twice: Sequence[Shared]) -> "list[TestedFlows]":
        import msgspec

        from harness.record.check import TestedFlows

        tests = {
            nodeid: _with_shared(msgspec.convert(of["tested"], TestedFlows), twice)
            for nodeid, of in self._told.items()
        }
        for nodeid in self._died:
            tests[nodeid] = _died(tests.get(nodeid) or _untold(nodeid))
        return [*tests.values(), *(_uncollected(nodeid) for nodeid in self._uncollected)]

    def _checked_out(self) -> Path | None:
        named = self._config.getoption("tollbench_out")
        if named is None or self._is_worker:
            return None
        out: Path = self._config.invocation_params.dir / named
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(
                f"--tollbench-out: {named} cannot be made a folder: {error.strerror}"
            ) from None
        return out


def _with_shared(test: "TestedFlows", twice: Sequence[Shared]) -> "TestedFlows":
    """It passed in its own process, which knew of no other."""
    from harness.record.check import Check

    failed = [
        Check(flow=of.name, asked=ASKED, state="failed", sentence=of.sentence)
        for of in twice
        if test.test in of.tests
    ]
    return _failed(test, failed) if failed else test


def _died(test: "TestedFlows") -> "TestedFlows":
    """Nobody knows what else it played, or that it played nothing."""
    from harness.record.check import Check

    sentence = f"{test.test}: {DIED}"
    asked = "is run to its end"
    return _failed(test, [Check(flow=test.test, asked=asked, state="failed", sentence=sentence)])


def _uncollected(nodeid: str) -> "TestedFlows":
    """A file that may have held tests of flows."""
    from harness.record.check import Check

    test, asked = _untold(nodeid), "can be collected"
    sentence = f"{nodeid} {UNCOLLECTED}"
    return _failed(test, [Check(flow=test.path, asked=asked, state="failed", sentence=sentence)])


def _untold(nodeid: str) -> "TestedFlows":
    """Of which no report of its own came."""
    from harness.record.check import TestedFlows

    path = nodeid.partition("::")[0]
    return TestedFlows(test=nodeid, path=path, line=1, passed=False, flows=[], checks=[])


def _failed(test: "TestedFlows", why: "Sequence[Check]") -> "TestedFlows":
    from msgspec.structs import replace

    return replace(test, passed=False, checks=[*test.checks, *why])


def _line(item: pytest.Item, call: pytest.CallInfo[None]) -> int:
    """The last line of its own file that the failure came through, else its first; from 1."""
    first = (item.location[1] or 0) + 1
    if call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
        return first
    own = [at.lineno + 1 for at in call.excinfo.traceback if Path(at.path) == Path(item.path)]
    return own[-1] if own else first
