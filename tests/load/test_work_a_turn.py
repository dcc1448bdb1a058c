"""How much code a turn runs on the virtual clock: counted, as no clock of a busy machine shows the
small steps by which it grows."""

import sys
from types import FrameType

import pytest

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.flow.strategy import all_strategies

FEW, MANY = 160, 480
MOST_CALLS = 730
"""Python functions, generators and coroutines, each time that one is entered or goes on. They were
1,326 when a machine played 1,090 turns a second, and are 667 where it plays 1,520."""


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else watches what is called")
def test_a_turn_of_the_default_comparison_enters_no_more_functions_than_it_did() -> None:
    _entered(FEW)  # which loads what is loaded once
    assert (_entered(MANY) - _entered(FEW)) / (MANY - FEW) <= MOST_CALLS


def _entered(turns: int) -> int:
    """By one round of so many turns; what its start takes is in each alike."""
    setup = checked(Options(), Problems(), all_strategies(), rounds=1, turns=turns // 8)
    entered = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal entered
        entered += event == "call"

    sys.setprofile(count)
    try:
        one_virtual_round(setup, 0)
    finally:
        sys.setprofile(None)
    return entered
