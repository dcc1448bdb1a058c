"""Runs over sockets are held against the books of the mocks' own process, whoever played them."""

from pathlib import Path

import pytest

from harness.record import RunSummary
from tests.cli.command import tollbench
from tests.cli.quick import NAMES, write_profiles

pytestmark = [pytest.mark.socket, pytest.mark.thorough]

FAULTS = ("--faults", "reset=3%,cut=3%,errors=3%,duplicates=5%,cancels=5%", "--patience", "2")
PLAYED = {
    "compare": ("--clock", "real", "--vary", "token_cache", "--flows", "30", "--rounds", "2"),
    "load": ("--duration", "2", "--workers", "2"),
}


def _played(folder: Path, *args: str) -> RunSummary:
    write_profiles(folder, 20.0)
    done = tollbench(*args, *NAMES, "--rate", "40", cwd=folder)
    summary, _ = done.stored
    assert "the books do not hold" not in done.err
    return summary


@pytest.mark.parametrize("verb", PLAYED)
def test_what_was_played_over_sockets_is_reconciled(tmp_path: Path, verb: str) -> None:
    summary = _played(tmp_path, verb, "checkout", *PLAYED[verb], *FAULTS)
    books = summary.reconciliation
    assert books is not None
    assert books.orders > summary.health.started / 2
    assert books.believed >= books.orders
    assert (books.breached, books.cut_off, books.forgotten) == (0, 0, 0)
    assert summary.faults["cut"] == 0.03
    assert summary.failures


def test_turns_that_a_drain_cut_off_are_told_apart(tmp_path: Path) -> None:
    asked = ("load", "checkout", "--duration", "2", "--workers", "2", "--drain", "0")
    summary = _played(tmp_path, *asked)
    books = summary.reconciliation
    assert books is not None
    assert summary.health.running
    assert books.cut_off
    assert books.breached == 0
