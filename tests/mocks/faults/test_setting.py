"""What a setting notes of faults, and what it draws for them; it decides no call."""

from harness import draws
from harness.clock import RealClock
from harness.faults import Placed, Script
from harness.providers.told import DrawKey
from mocks.setting import Setting

PAY = DrawKey(0, 1, 2, "pay", 1)


def test_what_strikes_the_copy_of_a_call_strikes_it_and_is_not_noted() -> None:
    faults = Script([Placed(2, "pay", "revoked")])
    setting = Setting(clock=RealClock(), seed=1, faults=faults)
    with setting.trail.echo():
        assert setting.strikes("revoked", "stripe", PAY)
    assert (list(setting.struck), setting.strikes_by) == ([], {})
    assert setting.strikes("revoked", "stripe", PAY)
    assert list(setting.struck) == [("revoked", PAY)]


def test_luck_is_that_of_the_seed_the_call_and_the_question() -> None:
    setting = Setting(clock=RealClock(), seed=7)
    held = draws.uniform(7, "fault", "amounts", 0, 1, 2, "pay", 1)
    assert setting.luck("amounts", PAY) == held
    others = [setting.luck("units", PAY), setting.luck("amounts", DrawKey(0, 1, 2, "pay", 2))]
    assert len({held, *others}) == 3
