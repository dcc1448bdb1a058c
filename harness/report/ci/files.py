"""Where CI looks for what tests found: a folder, the step's summary, the log; the only one here
that writes."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from harness.record.check import TestedFlows
from harness.report.ci.annotations import annotations, command
from harness.report.ci.history import history_json
from harness.report.ci.summary import COMMENT_LIMIT, STEP_LIMIT, summary_markdown


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """latency.json: all that the tests told."""

    schema: Literal[1] = 1
    tool_version: str
    passed: bool
    finished: bool = True
    """Whether all tests ran, as far as it is known; where not, none of it has passed."""
    tests: list[TestedFlows]


def write_ci(
    tests: Sequence[TestedFlows],
    out: Path | None,
    environ: Mapping[str, str],
    root: Path | None = None,
    *,
    finished: bool = True,
) -> list[str]:
    """Write what was asked for, and return the lines that the terminal must print: as they are,
    each at the start of its line and without colours, or the runner overlooks them.

    `out` gets latency.md, latency.json and history.json, made anew also where no test played a
    flow, so that none of an earlier session stays; raises OSError where it cannot be written. In
    GitHub Actions the step's summary is appended to, and tests are annotated. `root` is where the
    paths of the tests begin; known, they are told from the root of the repository. `finished` says
    whether the session ran to its end.
    """
    if out is not None:
        _write_files(tests, out, finished)
    if not tests:
        return []
    lines = []
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        lines += _append(tests, Path(summary), finished)
    if environ.get("GITHUB_ACTIONS") == "true":
        lines += annotations([_placed(test, root, environ) for test in tests])
    return lines


def verdicts_json(tests: Sequence[TestedFlows], *, finished: bool = True) -> bytes:
    """All of it, for programs."""
    verdicts = Verdicts(
        tool_version=metadata.version("tollbench"),
        passed=finished and bool(tests) and all(test.passed for test in tests),
        finished=finished,
        tests=list(tests),
    )
    return msgspec.json.format(msgspec.json.encode(verdicts), indent=2) + b"\n"


def _write_files(tests: Sequence[TestedFlows], out: Path, finished: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = summary_markdown(tests, COMMENT_LIMIT, finished=finished)
    (out / "latency.md").write_bytes(text.encode())
    (out / "latency.json").write_bytes(verdicts_json(tests, finished=finished))
    (out / "history.json").write_bytes(history_json(tests))


def _append(tests: Sequence[TestedFlows], summary: Path, finished: bool) -> list[str]:
    """To what the step has told so far, which counts towards its limit. That it cannot be written
    changes no verdict, and is said."""
    try:
        told = summary.stat().st_size if summary.exists() else 0
        text = summary_markdown(tests, STEP_LIMIT - told - 1, finished=finished)
        with summary.open("ab") as file:
            file.write(b"\n" * bool(told and text) + text.encode())
    except OSError as error:
        return [_unwritten(str(error))]
    return [] if text else [_unwritten("what stands there leaves no room")]


def _unwritten(why: str) -> str:
    return command("warning", f"the step's summary lacks the tests of latency: {why}")


def _placed(test: TestedFlows, root: Path | None, environ: Mapping[str, str]) -> TestedFlows:
    """With its path from the root of the repository, if it lies in there."""
    workspace = environ.get("GITHUB_WORKSPACE")
    if root is None or not workspace:
        return test
    path = (root / test.path).resolve()
    if not path.is_relative_to(Path(workspace).resolve()):
        return test
    inside = path.relative_to(Path(workspace).resolve()).as_posix()
    return msgspec.structs.replace(test, path=inside)
