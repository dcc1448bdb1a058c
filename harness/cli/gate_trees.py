"""The two checkouts that a gate compares: where their code comes from, and which Python runs it; it
runs none of it."""

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cli.gate_lines import Ask, Side
from harness.cli.problems import Problems

_VENV_PYTHON = Path("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@dataclass(frozen=True, slots=True)
class Tree:
    """A side's folder, without links in its path, and its Python."""

    side: Side
    path: Path
    python: str

    def environment(self, mine: Mapping[str, str]) -> dict[str, str]:
        """The tree's packages are found before any other's, wherever else they are installed."""
        own = [str(folder) for folder in (self.path, self.path / "src") if folder.is_dir()]
        before = mine.get("PYTHONPATH")
        return {**mine, "PYTHONPATH": os.pathsep.join([*own, *([before] if before else [])])}


def tree_of(problems: Problems, side: Side, folder: str, python: str | None) -> Tree:
    """The tree with the Python that is named, or else with that of its own .venv, or with ours."""
    path = Path(folder)
    if not path.is_dir():
        problems.add(f"--{side} {folder} is no folder; name a checkout of your project")
    if python is None:
        own = path.resolve() / ".venv" / _VENV_PYTHON
        python = str(own) if own.is_file() else sys.executable
    elif not os.access(python, os.X_OK) or Path(python).is_dir():
        problems.add(f"--{side}-python {python} is no program; name an interpreter of Python")
    # A virtual environment is known by the link to its interpreter, so that one is not followed.
    return Tree(side, path.resolve(), os.path.abspath(python))


def check_apart(problems: Problems, base: Tree, head: Tree) -> None:
    """One folder with one Python is one thing, and no change can be told of it. With two Pythons,
    it is what is installed in them that is compared."""
    if base.path == head.path and program_of(base.python) == program_of(head.python):
        problems.add(
            f"--base and --head are both {head.path}, with one Python: nothing can differ. Check "
            "out the code before the change, as by `git worktree add ../base main`, and give "
            "--base ../base"
        )


def check_flow(problems: Problems, flow: str, trees: Sequence[Tree]) -> None:
    """A file must be in both trees; what has no file is looked for by the sides themselves."""
    name = flow_file(flow)
    if not name:
        return
    if Path(name).is_absolute():
        problems.add(f"{flow}: write it as it stands in both trees, as in tests/flows.py::buy")
        return
    for tree in trees:
        if not (tree.path / name).is_file():
            problems.add(f"{flow}: there is no {name} in --{tree.side} {tree.path}")


def flow_file(flow: str) -> str:
    """The file that is named, as it stands in a tree; "" of a shipped scenario."""
    name = flow.split("::")[0]
    return name if name.endswith(".py") else ""


def loads_own_code(ask: Ask, tree: Path) -> bool:
    """Whether this process runs any code of its tree but for the file of the flow itself."""
    file = flow_file(ask.flow)
    flow = os.path.realpath(tree / file) if file else ""
    return any(path != flow for _, path in loaded_from(tree, [Path(ask.other or ".")]))


def loaded_from(tree: Path, others: Sequence[Path]) -> list[tuple[str, str]]:
    """The modules of this process that lie in the tree, each with its file, but not in another that
    lies within it, and not in the environment that Python itself runs from."""
    installed = _real(*(sysconfig.get_paths()[name] for name in _INSTALLED))
    home = _real(str(tree))[0]
    within = [other for other in _real(*map(str, others)) if _holds(home, other) and other != home]
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        path = os.path.realpath(file) if isinstance(file, str) else ""
        if path and _holds(home, path) and not any(_holds(of, path) for of in installed + within):
            found.append((name, path))
    return sorted(found)


def program_of(python: str) -> tuple[str, str]:
    """What is run and, by where its link stands, the environment that it is of."""
    return os.path.realpath(python), os.path.realpath(os.path.dirname(python))


_INSTALLED = ("purelib", "platlib", "stdlib", "platstdlib")


def _real(*paths: str) -> list[str]:
    return [os.path.realpath(path) for path in paths]


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
