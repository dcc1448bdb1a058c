"""Where the paths of a flow begin, and what a function is called."""

from functools import partial
from pathlib import Path

import pytest

from harness.cli.asked_flow import Asked, find_story
from harness.cli.problems import Problems


def test_paths_begin_at_the_root_also_where_the_working_directory_has_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for folder in (tmp_path, here):
        (folder / "shop.py").touch()
    (here / "only.py").touch()
    monkeypatch.chdir(here)
    asked = Asked(flow="shop.py", root=tmp_path)
    assert asked.file("shop.py") == "../shop.py"
    assert asked.file("only.py") == "only.py"
    assert asked.file("stripe") == "stripe"
    monkeypatch.chdir(tmp_path)
    assert asked.file("shop.py") == "shop.py"
    assert asked.file("missing.py") == "missing.py"


async def _buy(turn: object, amount: int) -> None: ...


class Shop:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("flow", "name"),
    [(_buy, "_buy"), (partial(partial(_buy), amount=3), "_buy"), (Shop(), "Shop")],
)
def test_a_function_is_called_by_its_own_name_also_where_arguments_are_bound(
    flow: object, name: str
) -> None:
    assert find_story(Asked(flow=flow), Problems()).called == name
