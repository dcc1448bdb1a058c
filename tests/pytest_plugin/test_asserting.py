"""`assert_latency`: what holds passes, what does not fails with the verdict as its message, and
what cannot be asked is told all at once."""

import pytest

from tests.pytest_plugin.session import SMALL, User, errors

pytest_plugins = ["pytester"]

PLAY = f'play_flow("conversation", strategy="prewarm", {SMALL})'


def _test(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def test_it(play_flow, assert_latency):\n    turns = {PLAY}\n{body}"


@pytest.fixture
def plain() -> str:
    return f'than = play_flow("conversation", {SMALL})'


def test_budgets_and_savings_that_hold_pass(user: User, plain: str) -> None:
    user.write(
        test_it=_test(
            plain,
            'assert_latency(turns, "p50 <= 9s, pay p50 < 1500ms")',
            'assert_latency(turns, saves="10ms", than=than)',
            'assert_latency(turns, saves="1%", than=than, at="p50")',
            'assert_latency(turns, saves="0.01s", than=than)',
            'assert_latency(turns, saves="10ms", than=than, at=50)',
            'assert_latency(turns, saves="0.001ms", than=than, at=99.9, inconclusive="pass")',
        )
    )
    user.run().assert_outcomes(passed=1)


def test_what_does_not_hold_fails_with_a_sentence_each_at_the_users_line(
    user: User, plain: str
) -> None:
    ask = 'assert_latency(turns, "p50 <= 1s, pay p50 < 1ms", saves="3s", than=than)'
    user.write(test_it=_test(plain, ask))
    result = user.run()
    result.assert_outcomes(failed=1)
    first, second, third = errors(result)
    assert first.startswith("AssertionError: conversation/prewarm misses p50 <= 1s: ")
    assert "confirm" in first
    assert second.startswith("conversation/prewarm misses pay p50 < 1ms: ")
    assert "conversation/baseline" in third and "3000 ms" in third
    shown = result.outlines
    assert f">       {ask}" in shown
    assert not [line for line in shown if "harness/" in line]


MISTAKES = {
    "assert_latency(turns)": ["nothing is asked: give budgets, *"],
    "assert_latency(3, 'p50 < 1s')": ["the first argument must be turns, *, not int"],
    "assert_latency(turns, 'p50 is nice', inconclusive='maybe')": [
        "inconclusive must be fail, pass or skip, not 'maybe'",
        "budgets: 'p50 is nice' is no promise; *",
    ],
    "assert_latency(turns, saves='much')": [
        "saves needs than=, *",
        "saves must be as in 5% or 40ms, not 'much'",
    ],
    "assert_latency(turns, than=turns)": ["than needs saves=, *", "than is the same turns: *"],
    "assert_latency(turns, saves='1ms', than=play_flow('conversation', turns=20, rounds=4))": [
        "rounds is 5 here and 4 in than: play both alike, *"
    ],
    "assert_latency(turns, saves='', than=play_flow('conversation', turns=20, rounds=5))": [
        "saves must be as in 5% or 40ms, not ''"
    ],
    "assert_latency(turns, ['p50 < 9s'], saves=200, at=None, baseline=5, tolerance=5)": [
        "budgets must be text, with commas between them, as *, not *'p50 < 9s'*",
        'saves must be text with a unit, as "200ms" or "5%", not 200',
        'at must be a percentile, as "p50" or 99.9, not None',
        "baseline must be True, or a folder, not 5",
        'tolerance must be text with a unit, as "5%" or "40ms", not 5',
    ],
    "assert_latency(None, None, than=3, tolerance=None)": [
        "the first argument must be turns, *, not NoneType",
        "than must be turns, *, not int",
        "budgets must be text, *, not None",
        "tolerance must be text *, not None",
    ],
    "assert_latency(turns, 'p50 < 9s', tolerance='5%')": ["tolerance is for a comparison *"],
}


def test_mistakes_are_told_all_at_once_and_without_a_traceback(user: User) -> None:
    tests = [
        f"def test_{n}(play_flow, assert_latency):\n    turns = {PLAY}\n    {call}\n"
        for n, call in enumerate(MISTAKES)
    ]
    user.write(test_it="\n".join(tests))
    result = user.run()
    result.assert_outcomes(failed=len(MISTAKES))
    told = [f"assert_latency: {line}" for lines in MISTAKES.values() for line in lines]
    result.stdout.fnmatch_lines(told)
    result.stdout.no_fnmatch_line("*Error*")


UNCLEAR = 'assert_latency(turns, "errors < 0.1%"{})'
"""Of 20 turns none failed, which tells nothing of one in a thousand."""


@pytest.mark.parametrize(
    ("options", "argument", "outcome"),
    [
        ((), "", "failed"),
        pytest.param(("--tollbench-inconclusive=pass",), "", "passed", marks=pytest.mark.thorough),
        (("--tollbench-inconclusive=skip",), "", "skipped"),
        pytest.param((), ", inconclusive='pass'", "passed", marks=pytest.mark.thorough),
        (("--tollbench-inconclusive=pass",), ", inconclusive='fail'", "failed"),
    ],
)
def test_what_cannot_be_told_ends_as_the_option_says(
    user: User, options: tuple[str, ...], argument: str, outcome: str
) -> None:
    user.write(test_it=_test(UNCLEAR.format(argument)))
    result = user.run(*options)
    assert result.parseoutcomes() == {outcome: 1}
    # The summary's line has the word even where the test passed.
    result.stdout.fnmatch_lines(["cannot tell * conversation/prewarm"])


def test_a_failure_is_told_beside_what_cannot_be_and_is_never_skipped(user: User) -> None:
    user.write(test_it=_test('assert_latency(turns, "errors < 0.1%, p50 < 1s")'))
    result = user.run("--tollbench-inconclusive=skip")
    result.assert_outcomes(failed=1)
    missed, unclear = errors(result)
    assert missed.startswith("AssertionError: conversation/prewarm misses p50 < 1s")
    assert unclear.startswith("cannot tell whether conversation/prewarm keeps errors < 0.1%")
