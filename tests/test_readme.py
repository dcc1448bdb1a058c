"""README claims nothing that is not run here."""

import re
import subprocess
import sys
from pathlib import Path

from tests.readme import BLOCK, README, compare, shown

TEXT = README.read_text("utf-8")


def test_the_report_shown_is_what_compare_prints_today(tmp_path: Path) -> None:
    block = BLOCK.search(TEXT)
    assert block is not None
    assert f"```text\n{shown(compare(tmp_path))}```\n" in block[0]


def test_the_scenario_shown_runs_as_it_says(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    command = re.search(r"`tollbench (compare tipping\.py --set \S+)`", TEXT)
    assert code and command
    (tmp_path / "tipping.py").write_text(code[1], "utf-8")
    small = ["--flows", "24", "--rounds", "4", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *command[1].split(), *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tipping.py")


def test_the_scenario_shown_has_at_most_20_lines() -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code and len(code[1].splitlines()) <= 20


def test_every_file_and_folder_that_readme_names_exists() -> None:
    named = re.findall(r"`((?:harness|mocks|scenarios|results)/[\w/.-]*)`|\]\(([\w/.-]+)\)", TEXT)
    paths = [path for pair in named for path in pair if path]
    assert len(paths) > 8
    assert [path for path in paths if not (README.parent / path).exists()] == []
