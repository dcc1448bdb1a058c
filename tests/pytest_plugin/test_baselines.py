"""Baselines: written by one option, equal to the microsecond while nothing changed, and red with
the stage to blame when something did; one that cannot be compared with never passes."""

import json
from pathlib import Path

import pytest

from tests.pytest_plugin.session import SHOP, SMALL, User, errors

pytest_plugins = ["pytester"]

TESTS = f"""
import shop

def test_buy(play_flow, assert_latency):
    assert_latency(play_flow(shop.buy, {SMALL}), baseline=True)

def test_scenario(play_flow, assert_latency):
    turns = play_flow("conversation", strategy="prewarm", {SMALL})
    assert_latency(turns, baseline="results/base")
"""
SLOWER = SHOP.replace("PACK_S = 0.1", "PACK_S = 0.101")
READABLE = "results/base/conversation/prewarm.json"


@pytest.fixture(scope="module")
def written() -> dict[Path, bytes]:
    """The files of the baselines, once a test has written them."""
    return {}


@pytest.fixture
def stored(user: User, written: dict[Path, bytes]) -> User:
    """Whose baselines were written by that same code."""
    user.write(shop=SHOP, test_it=TESTS)
    if not written:
        user.run("--tollbench-update").assert_outcomes(passed=2)
        written.update(_baselines(user))
    for path, content in written.items():
        (user.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (user.folder / path).write_bytes(content)
    return user


def _baselines(user: User) -> dict[Path, bytes]:
    found = [*user.folder.glob("tests/**/*.*"), *user.folder.glob("results/**/*.*")]
    return {path.relative_to(user.folder): path.read_bytes() for path in found}


def test_unchanged_code_passes_and_leaves_equal_files(
    stored: User, written: dict[Path, bytes]
) -> None:
    stored.run().assert_outcomes(passed=2)
    result = stored.run("--tollbench-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "1 baseline written to results/base: review them with git diff",
            "1 baseline written to tests/baseline: review them with git diff",
        ]
    )
    assert _baselines(stored) == written
    assert {path.suffix for path in written} >= {".json", ".times"}


@pytest.mark.socket
@pytest.mark.thorough
@pytest.mark.parametrize("hash_seed", ["1", "2", "3"])
def test_another_process_plays_the_same(
    stored: User, hash_seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    stored.run(apart=True).assert_outcomes(passed=2)


def test_a_stage_that_became_slower_is_named(stored: User) -> None:
    stored.write(shop=SLOWER)
    result = stored.run()
    result.assert_outcomes(passed=1, failed=1)
    (told,) = errors(result)
    assert told.startswith("AssertionError: buy/baseline regressed against its baseline: ")
    assert "to blame: pack, +1.0 ms a turn" in told


def test_a_tolerance_lets_it_pass(stored: User) -> None:
    stored.write(
        shop=SLOWER,
        test_it=TESTS.replace("baseline=True", "baseline=True, tolerance='2ms'"),
    )
    stored.run().assert_outcomes(passed=2)


def test_own_code_that_calls_another_provider_is_judged_and_not_refused(stored: User) -> None:
    more = SHOP.replace(
        "async def buy(turn):\n",
        """async def buy(turn):
    async with httpx.AsyncClient() as client:
        await client.get("https://api.stripe.com/v1/payment_intents/pi_1")
""",
    )
    stored.write(shop=more)
    (told,) = errors(stored.run())
    assert "buy/baseline regressed against its baseline" in told


CHANGES = {
    "turns=45": "the number of turns was 20 in the baseline and is 45 now: *",
    "seed=2": "the seed was 1 in the baseline and is 2 now: *",
    "pay='stripe'": "the payment was wechat-ai in the baseline and is stripe now: *",
    "parameters={'idle_share': 0.5}": "parameter idle_share was 0.1 *",
    "strategy='token_cache'": "there is no baseline of conversation/token_cache *",
}
"""What is played otherwise, and what is said of it."""

FIRST, *REST = CHANGES


@pytest.mark.parametrize(
    "change", [FIRST, *(pytest.param(of, marks=pytest.mark.thorough) for of in REST)]
)
def test_what_was_played_otherwise_is_refused_with_what_to_do(stored: User, change: str) -> None:
    played = 'strategy="prewarm", turns=20, rounds=5'
    now = f"**{{**dict({played}), **dict({change})}}"
    stored.write(test_it=TESTS.replace(played, now))
    result = stored.run("-k", "scenario", "--tollbench-inconclusive=pass")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines([f"*AssertionError: conversation/*: {CHANGES[change]}"])
    result.stdout.fnmatch_lines(["*--tollbench-update*"])


def test_a_baseline_that_cannot_be_read_fails_the_test(stored: User) -> None:
    path = stored.folder / READABLE
    whole = path.read_text()
    newer = json.dumps({**json.loads(whole), "schema": 99})
    for spoiled, told in ((whole[:50], "*cannot be read*"), (newer, "*has schema 99*")):
        path.write_text(spoiled)
        result = stored.run("-k", "scenario", "--tollbench-inconclusive=pass")
        result.assert_outcomes(failed=1, deselected=1)
        result.stdout.fnmatch_lines([told])
    path.unlink()
    result = stored.run("-k", "scenario")
    result.stdout.fnmatch_lines(["*there is no baseline of conversation/prewarm at results/base/*"])


@pytest.mark.thorough
def test_the_folder_is_an_option_of_the_ini_file_and_begins_at_the_root(user: User) -> None:
    user.pytester.makeini("[pytest]\ntollbench_baseline = kept\n")
    user.write(shop=SHOP, test_it=TESTS)
    user.run("--tollbench-update").assert_outcomes(passed=2)
    assert (user.folder / "kept" / "buy" / "baseline.json").is_file()
    below = user.folder / "below"
    below.mkdir()
    user.pytester.syspathinsert(user.folder)
    user.pytester.chdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        user.run("-c", "../tox.ini", "..").assert_outcomes(passed=2)
