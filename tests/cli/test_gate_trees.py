"""Two checkouts, and whose code runs; nothing of them is run here."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from harness.cli.exits import BadInput
from harness.cli.gate_trees import check_apart, check_flow, loaded_from, loads_own_code, tree_of
from harness.cli.problems import Problems
from tests.cli.gate_doubles import ask

PATHS = ("purelib", "platlib", "stdlib", "platstdlib")


def _pretend(monkeypatch: pytest.MonkeyPatch, name: str, file: Path) -> None:
    module = ModuleType(name)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, name, module)


def test_a_tree_runs_with_the_python_of_its_own_environment_where_it_has_one(
    tmp_path: Path,
) -> None:
    problems = Problems()
    assert tree_of(problems, "base", str(tmp_path), None).python == sys.executable
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    # A link, as venv makes it: by its place Python knows which environment it is of.
    own.symlink_to(sys.executable)
    assert tree_of(problems, "base", str(tmp_path), None).python == str(own)
    assert tree_of(problems, "base", str(tmp_path), sys.executable).python == sys.executable
    assert problems.none


def test_its_own_packages_are_found_first_and_then_what_the_user_set(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    tree = tree_of(Problems(), "head", str(tmp_path), None)
    bare = tree.environment({"LANG": "C"})
    assert bare == {"LANG": "C", "PYTHONPATH": f"{tmp_path}{os.pathsep}{tmp_path / 'src'}"}
    more = tree.environment({"PYTHONPATH": "/more"})
    assert more["PYTHONPATH"].split(os.pathsep)[2:] == ["/more"]


def test_all_mistakes_are_told_each_with_its_side(tmp_path: Path) -> None:
    problems = Problems()
    trees = [
        tree_of(problems, "base", str(tmp_path / "none"), None),
        tree_of(problems, "head", str(tmp_path), str(tmp_path)),
    ]
    check_flow(problems, "flows.py::buy", trees)
    check_flow(problems, "/flows.py", trees)
    check_flow(problems, "conversation", trees)
    with pytest.raises(BadInput) as told:
        problems.settle()
    starts = ("--base ", "--head-python ", "flows.py::buy: ", "flows.py::buy: ", "/flows.py: write")
    assert len(told.value.problems) == len(starts)
    for problem, start in zip(told.value.problems, starts, strict=True):
        assert problem.startswith(start)


def test_one_folder_with_one_python_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    def told(base: Path, base_python: str, head: Path, head_python: str) -> list[str]:
        problems = Problems()
        base_tree = tree_of(problems, "base", str(base), base_python)
        check_apart(problems, base_tree, tree_of(problems, "head", str(head), head_python))
        return [] if problems.none else _told(problems)

    other = tmp_path / "bin" / "python"
    other.parent.mkdir()
    other.symlink_to(sys.executable)
    this = sys.executable
    for same in (tmp_path, tmp_path / "link"):
        (problem,) = told(tmp_path, this, same, this)
        assert "nothing can differ" in problem and "git worktree add" in problem
    # A link makes an environment, and what is installed in it may be what changed.
    assert told(tmp_path, this, tmp_path, str(other)) == []
    assert told(tmp_path / "bin", this, tmp_path, this) == []


def _told(problems: Problems) -> list[str]:
    with pytest.raises(BadInput) as told:
        problems.settle()
    return told.value.problems


def test_the_file_of_the_flow_is_not_all_that_is_asked_of_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(flow="tests/flows.py::buy")
    assert not loads_own_code(asked, tmp_path)
    _pretend(monkeypatch, "the_flow", tmp_path / "tests" / "flows.py")
    assert not loads_own_code(asked, tmp_path)
    _pretend(monkeypatch, "shop", tmp_path / "shop.py")
    assert loads_own_code(asked, tmp_path)


def test_a_module_belongs_to_the_innermost_tree_that_it_lies_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "base"
    _pretend(monkeypatch, "shop_of_head", tmp_path / "shop.py")
    _pretend(monkeypatch, "shop_of_base", inner / "shop.py")
    _pretend(monkeypatch, "shop_beside", Path(f"{tmp_path}-beside") / "shop.py")
    assert [name for name, _ in loaded_from(tmp_path, [inner])] == ["shop_of_head"]
    assert [name for name, _ in loaded_from(inner, [tmp_path])] == ["shop_of_base"]
    # Both sides may be one folder.
    assert len(loaded_from(tmp_path, [tmp_path])) == 2


def test_what_is_installed_belongs_to_no_tree_though_its_environment_lies_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / ".venv" / "site-packages"
    monkeypatch.setattr("sysconfig.get_paths", lambda: dict.fromkeys(PATHS, str(site)))
    _pretend(monkeypatch, "shop_installed", site / "shop.py")
    _pretend(monkeypatch, "shop_own", tmp_path / "shop.py")
    assert [name for name, _ in loaded_from(tmp_path, [])] == ["shop_own"]


def test_a_link_to_the_other_tree_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = tmp_path / "head", tmp_path / "base"
    head.mkdir()
    (head / "shop.py").touch()
    base.symlink_to(head)
    _pretend(monkeypatch, "shop_linked", base / "shop.py")
    assert [name for name, _ in loaded_from(head, [])] == ["shop_linked"]
