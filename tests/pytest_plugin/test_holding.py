"""A baseline is one flow's: two flows of one name are told apart before one overwrites the other,
also where each is played in a process of its own."""

import json

import pytest

from harness.pytest_plugin.holding import shared
from harness.pytest_plugin.tested import Findings, Held, Told
from tests.pytest_plugin.session import SHOP, SMALL, User

pytest_plugins = ["pytester"]

TEST = f"""
import {{shop}}

def test_buy(play_flow, assert_latency):
    assert_latency(play_flow({{shop}}.buy, {SMALL}), baseline=True)
"""
SLOWER = SHOP.replace("PACK_S = 0.1", "PACK_S = 2.0")
CLOSURES = f"""
import pytest

@pytest.mark.parametrize("pause_s", [0.1, 2.0])
def test_it(pause_s, play_flow, assert_latency):
    async def buy(turn):
        await turn.sleep(pause_s)

    assert_latency(play_flow(buy, {SMALL}), baseline=True)
"""
SELF_CHECKS = f"""
import pytest, shop

@pytest.fixture
def slowed(monkeypatch):
    monkeypatch.setattr(shop, "PACK_S", shop.PACK_S + 0.1)

@pytest.mark.xfail(strict=True)
def test_it_is_noticed(slowed, play_flow, assert_latency):
    assert_latency(play_flow(shop.buy, {SMALL}), baseline=True)

def test_buy(play_flow, assert_latency):
    assert_latency(play_flow(shop.buy, {SMALL}), baseline=True)

def test_it_raises(slowed, play_flow, assert_latency):
    with pytest.raises(AssertionError, match="to blame: pack"):
        assert_latency(play_flow(shop.buy, {SMALL}), baseline=True)
"""
REFUSED = "assert_latency: another flow has the baseline buy/baseline (in {}): *name=*"
BASELINE = "tests/baseline/buy/baseline.json"


@pytest.fixture
def two_shops(user: User) -> User:
    user.write(shop=SHOP, other=SLOWER)
    user.write(test_a=TEST.format(shop="shop"), test_b=TEST.format(shop="other"))
    return user


def _p50_ms(user: User) -> float:
    figures = json.loads((user.folder / BASELINE).read_bytes())["figures"]
    return float(figures["quantiles"][0]["ms"])


def test_functions_of_one_name_in_two_files_do_not_overwrite_each_other(two_shops: User) -> None:
    result = two_shops.run("--tollbench-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([REFUSED.format("test_a.py::test_buy")])
    assert _p50_ms(two_shops) < 1500


@pytest.mark.thorough
def test_nor_is_the_faster_one_taken_for_the_other_when_they_are_compared(user: User) -> None:
    user.write(shop=SHOP, other=SLOWER, test_a=TEST.format(shop="other"))
    user.run("--tollbench-update").assert_outcomes(passed=1)
    user.write(test_b=TEST.format(shop="shop"))
    result = user.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([REFUSED.format("test_a.py::test_buy")])


@pytest.mark.thorough
def test_the_slower_one_has_regressed_and_holds_nothing(two_shops: User) -> None:
    two_shops.run("-k", "test_a", "--tollbench-update").assert_outcomes(passed=1, deselected=1)
    for order in (["test_a.py", "test_b.py"], ["test_b.py", "test_a.py"]):
        result = two_shops.run(*order)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*buy/baseline regressed against its baseline: *"])
        result.stdout.no_fnmatch_line("*another flow*")


@pytest.fixture
def self_checked(user: User) -> User:
    user.write(shop=SHOP, test_it=SELF_CHECKS)
    user.run("-k", "test_buy", "--tollbench-update").assert_outcomes(passed=1, deselected=2)
    return user


def test_a_gate_can_be_shown_to_notice_what_is_slowed_on_purpose(self_checked: User) -> None:
    self_checked.run().assert_outcomes(passed=2, xfailed=1)


@pytest.mark.socket
@pytest.mark.slow
def test_so_it_can_with_workers_of_xdist(self_checked: User) -> None:
    result = self_checked.run("-n2", "--tollbench-out=out", apart=True)
    result.assert_outcomes(passed=2, xfailed=1)
    assert result.ret == pytest.ExitCode.OK
    assert [test["passed"] for test in self_checked.told("out")] == [True] * 3


def test_closures_in_a_parametrized_test_do_not_either(user: User) -> None:
    user.write(test_it=CLOSURES)
    result = user.run("--tollbench-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["assert_latency: another flow has *test_it?0.1?): *name=*"])
    assert _p50_ms(user) == 100.0


@pytest.mark.thorough
def test_a_name_of_its_own_mends_it(two_shops: User) -> None:
    named = TEST.format(shop="other").replace(SMALL, f"{SMALL}, name='slow/buy'")
    two_shops.write(test_b=named)
    two_shops.run("--tollbench-update").assert_outcomes(passed=2)
    two_shops.run().assert_outcomes(passed=2)


@pytest.mark.thorough
def test_one_flow_played_alike_in_two_tests_shares_its_baseline(two_shops: User) -> None:
    two_shops.write(test_b=TEST.format(shop="shop"))
    two_shops.run("--tollbench-update").assert_outcomes(passed=2)
    two_shops.run().assert_outcomes(passed=2)


def test_one_flow_played_otherwise_does_not(two_shops: User) -> None:
    two_shops.write(test_b=TEST.format(shop="shop").replace(SMALL, f"{SMALL}, seed=2"))
    two_shops.run("--tollbench-update").assert_outcomes(passed=1, failed=1)


def _told(test: str, *, written: Held | None = None, compared: Held | None = None) -> Told:
    tested = Findings(test=test, path=test, line=1, passed=True, flows=[], checks=[])
    return Told(
        tested=tested,
        written=[written] if written else [],
        compared=[compared] if compared else [],
    )


def test_across_processes_a_name_with_two_digests_is_found_with_its_tests() -> None:
    told = [
        _told("a", written=("base", "buy/baseline", "1")),
        _told("b", compared=("base", "buy/baseline", "2")),
        _told("c", written=("base", "buy/baseline", "1")),
        _told("d", written=("elsewhere", "buy/baseline", "2")),
        _told("e", written=("base", "buy/prewarm", "3")),
    ]
    (found,) = shared(told)
    assert (found.folder, found.name, found.tests) == ("base", "buy/baseline", ("a", "c", "b"))
    assert shared(told[2:]) == []


@pytest.mark.socket
@pytest.mark.slow
def test_workers_of_xdist_that_share_a_name_fail_the_session(two_shops: User) -> None:
    result = two_shops.run("-n2", "--tollbench-update", "--tollbench-out=out", apart=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "ERROR: different flows have the baseline buy/baseline in tests/baseline "
            '(test_?.py::test_buy, test_?.py::test_buy): *name="..."'
        ]
    )
    assert [test["passed"] for test in two_shops.told("out")] == [False, False]
    two_shops.write(test_b=TEST.format(shop="shop"))
    two_shops.run("-n2", "--tollbench-update", apart=True).assert_outcomes(passed=2)
    assert two_shops.run("-n2", apart=True).ret == pytest.ExitCode.OK
