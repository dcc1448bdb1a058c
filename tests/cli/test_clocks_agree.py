"""The real clock measures what the virtual clock computes: the same code, the same draws."""

from pathlib import Path

import pytest

from harness.record import RunSummary
from tests.cli.command import tollbench
from tests.cli.quick import NAMES, write_profiles

ARGS = (
    "compare", "--flows", "24", "--rounds", "1", "--set", "turns=2", "--set", "idle_share=0",
    "--think-scale", "0.005", "--rate", "150", *NAMES,
)  # fmt: skip
SHARE = 0.02
TIMES_FASTER = 2.5
"""The real run ends sooner, and an error weighs more."""


@pytest.mark.socket
@pytest.mark.thorough
def test_both_clocks_tell_the_same_of_every_strategy(tmp_path: Path) -> None:
    virtual, real = (_run(clock, tmp_path / clock) for clock in ("virtual", "real"))
    error_ms = real.health.error_p50_ms
    assert error_ms is not None
    assert real.valid or all("is over the limit of" in why for why in real.invalid_because)
    for computed, measured in zip(virtual.variants, real.variants, strict=True):
        assert computed.name == measured.name
        assert (computed.turns, computed.errors) == (measured.turns, measured.errors) == (24, 0)
        assert computed.calls_per_turn == measured.calls_per_turn
        assert computed.p50_ms is not None and measured.p50_ms is not None
        allowed_ms = SHARE * computed.p50_ms + error_ms * computed.calls_per_turn
        assert abs(measured.p50_ms - computed.p50_ms) <= allowed_ms


def _run(clock: str, cwd: Path) -> RunSummary:
    cwd.mkdir()
    write_profiles(cwd, TIMES_FASTER)
    done = tollbench(*ARGS, "--clock", clock, cwd=cwd)
    assert done.code in (0, 4), done.err
    return done.stored[0]
