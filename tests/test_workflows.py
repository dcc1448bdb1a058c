"""What CI runs, and what docs/ci.md has users run: commands and options that there are, pinned
actions, and no more rights than it takes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import yaml

ROOT = Path(__file__).parents[1]
OURS, THEIRS = ".github/workflows/ci.yml", "docs/latency-workflow.yml"
GUIDE = (ROOT / "docs/ci.md").read_text("utf-8")

Step = dict[str, object]
Job = dict[str, object]

each = pytest.mark.parametrize("path", [OURS, THEIRS])


def _text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def _workflow(path: str) -> dict[object, object]:
    return cast(dict[object, object], yaml.safe_load(_text(path)))


def _jobs(path: str) -> dict[str, Job]:
    return cast(dict[str, Job], _workflow(path)["jobs"])


def _steps(path: str) -> list[Step]:
    return [step for job in _jobs(path).values() for step in cast(list[Step], job["steps"])]


def _runs(path: str) -> list[str]:
    return [cast(str, step["run"]) for step in _steps(path) if "run" in step]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@each
def test_it_runs_on_pushes_and_on_pull_requests_and_never_with_a_forks_code_and_our_token(
    path: str,
) -> None:
    # YAML 1.1 reads the key "on" as true.
    assert set(cast(dict[str, object], _workflow(path)[True])) == {"push", "pull_request"}


@each
def test_a_job_may_read_and_only_the_one_that_comments_may_write_that(path: str) -> None:
    assert _workflow(path)["permissions"] == {"contents": "read"}
    for name, job in _jobs(path).items():
        expected = {"pull-requests": "write"} if name == "comment" else None
        assert job.get("permissions") == expected
        assert not (expected and any("checkout" in str(s.get("uses")) for s in _steps_of(job)))


def _steps_of(job: Job) -> list[Step]:
    return cast(list[Step], job["steps"])


@each
def test_no_job_runs_for_ever(path: str) -> None:
    assert all(0 < cast(int, job["timeout-minutes"]) <= 30 for job in _jobs(path).values())


@each
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: str) -> None:
    lines = [line for line in _text(path).splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"\s*- uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_has_one_pin_everywhere() -> None:
    used = {str(step["uses"]) for path in (OURS, THEIRS) for step in _steps(path) if "uses" in step}
    assert len(used) == len({action.split("@")[0] for action in used})


@each
def test_a_checkout_leaves_no_token_behind(path: str) -> None:
    for step in _steps(path):
        if "checkout" in str(step.get("uses")):
            assert cast(dict[str, object], step["with"])["persist-credentials"] is False


@each
def test_nothing_that_a_pull_request_can_word_becomes_part_of_a_script(path: str) -> None:
    assert all(
        set(re.findall(r"\$\{\{ (.*?) \}\}", run)) <= {"matrix.tests"} for run in _runs(path)
    )


def test_ours_runs_the_commands_of_the_project_and_all_that_its_ci_script_does() -> None:
    runs = " ".join(_runs(OURS))
    (matrix,) = [job["strategy"] for job in _jobs(OURS).values() if "strategy" in job]
    for command in cast(dict[str, dict[str, list[str]]], matrix)["matrix"]["tests"]:
        runs += f" make {command}"
    used = {target for target in re.findall(r"make ([a-z-]+)", runs) if target}
    assert used == {"check", "test", "thorough", "latency"}
    assert set(re.findall(r"^make ([a-z-]+)", _text(".ci/run"), re.M)) <= used
    targets = set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.M))
    assert used <= targets


@each
def test_what_the_tests_of_latency_write_is_what_is_kept(path: str) -> None:
    steps = _steps_of(_jobs(path)["latency"])
    (kept,) = [
        str(cast(dict[str, object], step["with"])["path"])
        for step in steps
        if "upload-artifact" in str(step.get("uses"))
    ]
    asked = " ".join(f"{step.get('run', '')} {step.get('env', '')}" for step in steps)
    assert f"--tollbench-out={kept.rstrip('/')} " in asked
    assert f"--junit-xml={kept}junit.xml" in asked


def test_the_command_of_the_gate_leaves_it_to_the_workflow_what_is_written() -> None:
    # An option of the command itself would come after those of PYTEST_ADDOPTS, and win.
    (recipe,) = re.findall(r"^latency:.*?\n\n", _text("Makefile"), re.M | re.S)
    assert "--tollbench-out" not in recipe and "--junit" not in recipe


def test_locks_that_the_cache_hangs_on_exist() -> None:
    globs = {
        str(of["cache-dependency-path"])
        for step in _steps(OURS)
        if "cache" in (of := cast(dict[str, object], step.get("with", {})))
    }
    assert globs and all(list(ROOT.glob(glob)) for glob in globs)


@pytest.mark.socket
def test_every_script_is_one_that_a_shell_can_read() -> None:
    for run in [*_runs(OURS), *_runs(THEIRS), *_blocks("sh")]:
        done = subprocess.run(["bash", "-n"], input=run, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_files_that_the_guide_leads_to_exist() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.socket
def test_every_option_of_pytest_that_is_named_is_one_that_it_has() -> None:
    named = _options_after("pytest", [*_runs(THEIRS), *_blocks("sh")])
    named |= set(re.findall(r"`[^`\n]*?(--(?:tollbench|benchmark|junit)[a-z-]*)", GUIDE))
    assert {"--tollbench-update", "--tollbench-out", "--tollbench-inconclusive"} <= named
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    assert named - known == set()
    assert "tollbench_baseline" in done.stdout


@pytest.mark.socket
def test_every_option_of_the_gate_that_is_named_is_one_that_it_has() -> None:
    named = _options_after("gate", [*_runs(THEIRS), *_blocks("sh")])
    assert {"--base", "--head", "--tolerance", "--inconclusive"} <= named
    done = subprocess.run(
        [sys.executable, "-P", "-m", "harness.cli", "gate", "--help"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert named - set(re.findall(r"--[a-z-]+", done.stdout)) == set()


def _options_after(program: str, scripts: list[str]) -> set[str]:
    lines = [line for script in scripts for line in script.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return {
        word.split("=")[0]
        for line in words
        if program in line
        for word in line[line.index(program) :]
        if word.startswith("--")
    }


@pytest.mark.socket
@pytest.mark.thorough
def test_the_tests_of_the_guide_pass_once_they_have_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").touch()
    code = "\n\n".join(_blocks("python"))
    (tmp_path / "tests" / "test_latency.py").write_text(code, "utf-8")
    missing = _pytest(tmp_path)
    assert missing.returncode == 1 and "pytest --tollbench-update" in missing.stdout
    assert _pytest(tmp_path, "--tollbench-update").returncode == 0
    done = _pytest(tmp_path, "--tollbench-out=latency")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert {path.name for path in (tmp_path / "latency").iterdir()} == {
        "latency.md", "latency.json", "history.json",
    }  # fmt: skip


def _pytest(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder, env={"PATH": ""}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
