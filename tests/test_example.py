"""docs/example in an environment of its own, with the wheel that a user would install: its tests
pass, fail when its code gets slower, and say where."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "example"
README = (ROOT / "README.md").read_text("utf-8")

PAYS = "        paid = await self._http.post(\n"
ASKS_TWICE = "await self._http.get(PAY_URL, headers=NO_KEY)"
NO_KEY = {"authorization": "Bearer none"}

pytestmark = [pytest.mark.thorough, pytest.mark.socket]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment in which both are installed, and all that they need lies beside it."""
    room = tmp_path_factory.mktemp("environment")
    for source in (ROOT, _copy(room / "example")):
        _done([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(room)], source)
    wheels = [str(wheel) for wheel in room.glob("*.whl")]
    assert len(wheels) == 2
    _done([sys.executable, "-m", "venv", "--without-pip", str(room / "venv")], room)
    python = room / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    alone = ["--no-index", "--no-deps", "--no-compile", "--quiet"]
    _done([*pip, "install", *alone, *wheels], room)
    # Only now, or pip would find tollbench there already.
    (site,) = (room / "venv" / "lib").glob("python*/site-packages")
    (site / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example, to change."""
    return _copy(tmp_path / "example")


def test_what_is_installed_is_what_the_tests_of_the_example_run(
    python: Path, project: Path
) -> None:
    where = "import harness, shop; print(harness.__file__, shop.__file__)"
    told = _done([python, "-P", "-c", where], project).stdout.split()
    assert [Path(file).is_relative_to(python.parents[1]) for file in told] == [True, True]


def test_the_example_keeps_its_baselines(python: Path, project: Path) -> None:
    shutil.rmtree(project / "shop")  # the installed one is meant
    done = _pytest(python, project)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def test_it_does_so_in_several_processes_and_as_benchmarks(python: Path, project: Path) -> None:
    assert "3 passed" in _pytest(python, project, "--numprocesses", "2").stdout
    shown = _pytest(python, project, "--benchmark-only").stdout
    assert "3 passed" in shown
    assert len(re.findall(r"^test_\w+ .*\d", shown, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("more", "blame"),
    [
        pytest.param(ASKS_TWICE, r"pay, \+\d+ ms .*; 1 -> 2 calls\)", marks=pytest.mark.slow),
        ("await asyncio.sleep(0.007)", r"pay, \+7\.0 ms a turn \[7\.0, 7\.0\] \(800 -> 807\)"),
    ],
    ids=["another call", "7 ms more of its own"],
)
def test_code_that_got_slower_fails_and_is_told_where(
    more: str, blame: str, python: Path, project: Path
) -> None:
    client = project / "shop" / "client.py"
    text = client.read_text("utf-8")
    assert text.count(PAYS) == 1
    slower = text.replace(PAYS, f"        {more}\n{PAYS}")
    client.write_text(f"import asyncio\n{slower}\nNO_KEY = {NO_KEY}\n", "utf-8")
    done = _pytest(python, project)
    assert done.returncode == 1 and "1 failed, 2 passed" in done.stdout, done.stdout
    (verdict,) = (line for line in done.stdout.splitlines() if line.startswith("E "))
    found = r"buy/baseline regressed against its baseline: p50 2491 -> .* to blame: "
    assert re.search(found + blame, verdict), verdict
    if more == ASKS_TWICE:
        (told,) = re.findall(r"```text\n(buy/.*?)```", README, re.DOTALL)
        assert verdict.endswith(" ".join(told.split()))


@pytest.mark.slow
def test_a_baseline_that_is_missing_fails_until_it_is_made(python: Path, project: Path) -> None:
    kept = project / "tests" / "baseline"
    before = _times(kept)
    shutil.rmtree(kept)
    missing = _pytest(python, project)
    assert missing.returncode == 1 and "2 failed, 1 passed" in missing.stdout
    assert "pytest --tollbench-update" in missing.stdout
    assert "3 passed" in _pytest(python, project, "--tollbench-update").stdout
    assert _times(kept) == before


def test_the_test_that_readme_shows_passes_in_an_empty_project(
    python: Path, tmp_path: Path
) -> None:
    (code,) = re.findall(r"## Latency as a test.*?```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "test_latency.py").write_text(code, "utf-8")
    done = _pytest(python, tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{code.count('def test_')} passed" in done.stdout


def test_the_ci_extra_brings_what_the_fixtures_need(python: Path) -> None:
    (wheel,) = python.parents[2].glob("tollbench-*.whl")
    with ZipFile(wheel) as files:
        (metadata,) = (name for name in files.namelist() if name.endswith("/METADATA"))
        told = files.read(metadata).decode()
    needs = re.findall(r"^Requires-Dist: ([\w-]+).*extra == 'ci'", told, re.MULTILINE)
    assert sorted(needs) == ["pytest", "pytest-benchmark"]


def _copy(to: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", ".*_cache", ".benchmarks")
    return Path(shutil.copytree(EXAMPLE, to, ignore=unwanted))


def _times(baselines: Path) -> dict[str, bytes]:
    """What there is of every flow, exactly."""
    found = {path.parent.name: path.read_bytes() for path in baselines.rglob("*.times")}
    assert found.keys() == {"buy", "lunches"}
    return found


def _pytest(python: Path, project: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [python, "-m", "pytest", "-p", "no:cacheprovider", *more]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=_alone())


def _done(command: list[str | Path], cwd: Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=_alone())
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _alone() -> dict[str, str]:
    """The environment without what would tell a pytest how this one was started, or of GitHub."""
    ours = ("PYTEST_", "GITHUB_", "PYTHONPATH")
    return {name: text for name, text in os.environ.items() if not name.startswith(ours)}
