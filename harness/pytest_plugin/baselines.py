"""Turns held to their stored baseline, or stored as one; a change is judged elsewhere."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin.holding import held
from harness.pytest_plugin.tested import tested_by

if TYPE_CHECKING:
    from harness.cli.played import Played
    from harness.record.baseline import Baseline, Settings
    from harness.record.check import Check
    from harness.record.run import Tolerance

__tracebackhide__ = True

ASKED = "as fast as its baseline"


def against_baseline(
    request: pytest.FixtureRequest,
    turns: "Played",
    folder: bool | str | Path,
    tolerance: "Tolerance",
) -> "list[Check]":
    """What comes of the comparison; nothing where the baseline is written instead.

    A flow that is compared holds its baseline only if it passes: else it has said why, and has
    overwritten nothing. So a test may slow a flow on purpose, to see that its gate notices.
    """
    from harness.record.baseline import BadBaseline

    config = request.config
    where, tested = _folder(config, folder), tested_by(request.node)
    try:
        if config.getoption("tollbench_update"):
            mine = held(request.node, where, turns)
            _write(where, turns)
            tested.written.append(mine)
            return []
        check = _compared(where, turns, tolerance)
    except BadBaseline as error:
        return [_failed(turns, str(error))]
    if check.state == "passed":
        tested.compared.append(held(request.node, where, turns))
    return [check]


def _folder(config: pytest.Config, named: bool | str | Path) -> Path:
    """As it is seen from the working directory, which is where `git diff` is typed."""
    below = config.getini("tollbench_baseline") if isinstance(named, bool) else named
    folder = config.rootpath / below
    try:
        return Path(os.path.relpath(folder))
    except ValueError:  # on another drive
        return folder


def _compared(folder: Path, turns: "Played", tolerance: "Tolerance") -> "Check":
    from harness.record.baseline import read_baseline, refusals
    from harness.report.checks import checked_change

    stored, then = read_baseline(folder, turns.name)
    if why := refusals(stored.settings, _comparable(turns, stored)):
        return _failed(turns, "; ".join(why))
    notes = _other_versions(stored)
    return checked_change(turns.name, turns.times, then, tolerance, seed=turns.seed, notes=notes)


def _other_versions(stored: "Baseline") -> list[str]:
    """What is no part of what is judged, and may be why turns changed."""
    versions = {"tollbench": stored.tool_version, **stored.versions}
    now = _versions()
    return [
        f"{library} was {was} in the baseline and is {now[library]} now"
        for library, was in versions.items()
        if library in now and now[library] != was
    ]


def _versions() -> dict[str, str]:
    from importlib import metadata

    from harness.cli.outcome import LIBRARIES

    return {library: metadata.version(library) for library in ("tollbench", *LIBRARIES)}


def _comparable(turns: "Played", stored: "Baseline") -> "Settings":
    """Which providers own code calls is a part of what is judged: so only of those that it called
    then must the profiles be as they were."""
    from msgspec.structs import replace

    if not turns.own_code:
        return turns.settings
    there = turns.profiles
    called = {name: there[name] for name in stored.settings.profiles if name in there}
    return replace(turns.settings, profiles=called)


def _write(folder: Path, turns: "Played") -> None:
    from harness.record.baseline import Baseline, stage_figures, write_baseline

    versions = _versions()
    baseline = Baseline(
        name=turns.name,
        settings=turns.settings,
        figures=turns.figures,
        stages=stage_figures(turns.times),
        tool_version=versions.pop("tollbench"),
        versions=versions,
    )
    write_baseline(folder, baseline, turns.times)


def _failed(turns: "Played", why: str) -> "Check":
    from harness.record.check import Check

    return Check(flow=turns.name, asked=ASKED, state="failed", sentence=f"{turns.name}: {why}")
