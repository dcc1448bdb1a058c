"""A package of a user's that hides one of tollbench's is told in a line, and not by what lacks
then."""

import sys
from pathlib import Path

import pytest

from harness.pytest_plugin.hiding import PACKAGES, hidden_packages
from tests.pytest_plugin.session import SMALL, User

pytest_plugins = ["pytester"]

TEST = f"""
def test_it(play_flow):
    play_flow("conversation", {SMALL})

def test_nothing_is_played(assert_latency):
    assert_latency(None, "p50 < 1s")
"""


def test_nothing_hides_what_stands_beside_it() -> None:
    assert hidden_packages() == []


@pytest.mark.parametrize("file", ["mocks/__init__.py", "mocks.py"])
def test_a_package_or_module_of_that_name_is_found_where_it_lies(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    for name in list(sys.modules):
        if name.partition(".")[0] in PACKAGES:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (line,) = hidden_packages()
    where = file.removesuffix("/__init__.py")
    assert line == f"{where} hides tollbench's package 'mocks': rename it"
    monkeypatch.chdir(tmp_path.parent)
    (line,) = hidden_packages()
    mend = f"rename it, or make {tmp_path.name} a package by an __init__.py in it"
    assert line == f"{tmp_path.name}/{where} hides tollbench's package 'mocks': {mend}"


@pytest.mark.socket
@pytest.mark.thorough
def test_a_folder_of_tests_that_hides_one_is_told_with_a_mend_that_works(user: User) -> None:
    inner = user.folder / "tests" / "scenarios"
    inner.mkdir(parents=True)
    (inner / "__init__.py").touch()
    (inner / "test_it.py").write_text(TEST)
    result = user.run(apart=True)
    result.assert_outcomes(failed=2)
    told = "tests/scenarios hides tollbench's package 'scenarios': rename it, or make tests a *"
    result.stdout.fnmatch_lines([told, f"assert_latency: {told}"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*harness/*")
    (inner.parent / "__init__.py").touch()
    mended = user.run(apart=True)
    mended.assert_outcomes(passed=1, failed=1)
    mended.stdout.fnmatch_lines(["assert_latency: the first argument must be turns, *"])
