"""The bar says how far a run is, to whoever can see it move, in 80 columns."""

import io

import pytest
from rich.console import Console

from harness.cli.progress import TurnBar
from harness.load.engine import Tally


def _shown(tally: Tally, *, terminal: bool, turns: float = 30_000) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, color_system=None)
    with TurnBar("conversation, real clock", turns, console) as bar:
        bar.watch(tally)
    return out.getvalue()


def test_all_that_is_to_know_fits_80_columns() -> None:
    shown = _shown(Tally(finished=12_000, failed=345, open=120), terminal=True)
    assert "12345/30000 turns, --:-- left" in shown
    assert "0 turns/s, 345 failed, 120 in flight" in shown
    assert shown.count("12345/30000") == shown.count("conversation, real clock ")


def test_nobody_sees_it_where_there_is_no_terminal() -> None:
    assert _shown(Tally(finished=1), terminal=False).strip() == ""


@pytest.mark.parametrize("turns", [0.0, 0.5, 1e9])
def test_any_number_of_turns_can_be_shown(turns: float) -> None:
    assert "turns" in _shown(Tally(), terminal=True, turns=turns)


def test_the_running_total_of_real_providers_is_shown_behind_it() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    with TurnBar("checkout, real clock", 168, console) as bar:
        bar.tell(lambda: ", 336 requests, 0.617 USD, 168 orders")
        bar.watch(Tally(finished=12, open=3))
    shown = out.getvalue()
    assert "0 turns/s, 0 failed, 3 in flight, 336 requests, 0.617 USD, 168 orders" in shown
