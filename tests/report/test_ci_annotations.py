"""Workflow commands: read back as GitHub's runner reads them, and never more than it shows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.ci import annotations
from harness.report.ci.annotations import MESSAGE_LIMIT, command
from tests.report.sample_ci import EXPECTED, FAILED, OPEN, PASSED, REGRESSED, UNSURE, check, played

PROPERTY = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}


def read_back(line: str) -> tuple[str, dict[str, str], str]:
    """What the runner makes of a line: after blanks it must begin with two colons, the message
    starts at the next two; the percent sign is put back last."""
    found = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line.lstrip())
    assert found is not None
    level, properties, message = found[1], found[2] or "", found[3]
    pairs = [part.split("=", 1) for part in properties.split(",") if part]
    return (
        level,
        {key: _put_back(value, PROPERTY) for key, value in pairs},
        _put_back(message, DATA),
    )


def _put_back(text: str, codes: dict[str, str]) -> str:
    for code, mark in codes.items():
        text = text.replace(code, mark)
    return text


def test_a_failing_test_is_an_error_at_its_line_with_its_sentences() -> None:
    (line,) = annotations([PASSED, FAILED])
    assert read_back(line) == (
        "error",
        {"file": "tests/test_latency.py", "line": "12", "title": "test_is_as_fast: failed"},
        REGRESSED,
    )


def test_a_test_that_passed_though_a_check_could_not_tell_is_a_warning() -> None:
    level, properties, message = read_back(*annotations([PASSED, UNSURE]))
    assert (level, properties["title"], message) == ("warning", "test_tail: cannot tell", OPEN)


def test_a_failure_that_a_passed_test_expected_is_not_marked() -> None:
    assert annotations([EXPECTED]) == []


def test_a_test_that_failed_for_another_reason_is_marked_too() -> None:
    _, _, message = read_back(*annotations([played("test_breaks", check(), passed=False)]))
    assert message.startswith("failed, and not for a check of its latency")


def test_several_sentences_are_lines_of_one_annotation() -> None:
    both = played("test_x", check("failed", "first"), check("cannot tell", "second"), passed=False)
    (line,) = annotations([both])
    assert "\n" not in line
    assert read_back(line)[2] == "first\nsecond"


@given(st.text(), st.text(min_size=1))
def test_whatever_is_told_is_read_back_as_it_was(message: str, title: str) -> None:
    line = command("error", message, file="a,b:c%2C.py", title=title)
    assert "\n" not in line and "\r" not in line
    assert read_back(line) == ("error", {"file": "a,b:c%2C.py", "title": title}, message)


@pytest.mark.parametrize(("failing", "told", "rest"), [(10, 10, 0), (11, 10, 2), (500, 10, 491)])
def test_no_more_are_told_than_a_step_shows_and_the_last_counts_the_rest(
    failing: int, told: int, rest: int
) -> None:
    tests = [played(f"test_{n}", check("failed", "slow"), passed=False) for n in range(failing)]
    lines = annotations(tests)
    assert len(lines) == told
    assert sum(line.startswith("::error file=") for line in lines) == failing - rest
    if rest:
        assert read_back(lines[-1])[2].startswith(f"{rest} more tests: ")


def test_errors_and_warnings_are_counted_apart() -> None:
    lines = annotations([FAILED] * 12 + [UNSURE] * 12)
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning"] * 10


def test_a_message_is_cut_where_the_runner_would_cut_it_and_says_so() -> None:
    long = played("test_x", check("failed", "x" * MESSAGE_LIMIT * 2), passed=False)
    message = read_back(*annotations([long]))[2]
    assert len(message) == MESSAGE_LIMIT and message.endswith("(cut off)")


def test_nothing_in_a_tests_name_is_another_command() -> None:
    evil = played("test_x[\n::add-mask::e]", check("failed", "a\n::stop-commands::b"), passed=False)
    (line,) = annotations([evil])
    assert len(line.splitlines()) == 1
    assert read_back(line)[1]["title"] == "test_x[\n::add-mask::e]: failed"
