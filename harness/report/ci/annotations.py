"""Workflow commands that mark a failing test in a pull request's diff; it prints none itself."""

from collections.abc import Sequence
from typing import Literal

from harness.record.check import TestedFlows
from harness.report.ci.flows import reasons, short_name

Level = Literal["error", "warning"]

MESSAGE_LIMIT = 4096
"""Characters of a message that GitHub's runner sends on."""
CUT = " ... (cut off)"


def annotations(tests: Sequence[TestedFlows], most: int = 10) -> list[str]:
    """`::error file=...,line=...,title=...::message`, a test that failed each; then a `::warning`
    for each that passed and holds a check that could not tell.

    GitHub shows no more than ten of each in a step, so no more than `most` of each are told, and
    the last of them counts the rest. Every command must begin its line: the runner overlooks one
    behind anything else but blanks, a colour code too.
    """
    failed = [test for test in tests if not test.passed]
    unsure = [test for test in tests if test.passed and reasons(test)]
    return [
        *_at_most(most, failed, "error", "failed"),
        *_at_most(most, unsure, "warning", "cannot tell"),
    ]


def command(level: Level, message: str, **properties: str | int) -> str:
    """One workflow command, escaped as the runner reads it back. Properties keep their order."""
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{level}{f' {told}' if told else ''}::{_data(message)}"


def _at_most(most: int, tests: Sequence[TestedFlows], level: Level, word: str) -> list[str]:
    shown = tests if len(tests) <= most else tests[: max(most - 1, 0)]
    lines = [_annotation(test, level, word) for test in shown]
    if rest := len(tests) - len(shown):
        more = f"{rest} more test{'s' if rest > 1 else ''}: the step's summary has them all"
        lines.append(command(level, more, title=f"latency: {word}"))
    return lines


def _annotation(test: TestedFlows, level: Level, word: str) -> str:
    message = _cut("\n".join(reasons(test)), MESSAGE_LIMIT)
    return command(
        level, message, file=test.path, line=test.line, title=f"{short_name(test)}: {word}"
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _data(text: str) -> str:
    return _escaped(text, "%\r\n")


def _property(text: str) -> str:
    return _escaped(text, "%\r\n:,")


def _escaped(text: str, marks: str) -> str:
    """These marks as % and two digits. The percent sign comes first, or it would be escaped twice;
    the runner reads it last."""
    for mark in marks:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
