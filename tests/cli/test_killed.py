"""kill -9 of the mocks and of the app in mid-run: the books are as if nobody had been killed."""

import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from mocks.profile import FOLDER
from tests.cli.command import COMMAND, environment
from tests.cli.killed_client import LANES, Came
from tests.cli.processes import PATIENCE_S, until

pytestmark = pytest.mark.socket

FASTER = 20
"""Than the shipped profiles."""
TURNS = 2
KEYS = 40
"""No fewer calls than those by which an app gets its keys when it begins: it does that but once."""
ORDERED = ("alipay-v3", "unionpay", "wechatpay")
"""What a user pays elsewhere, and in these turns nobody does."""
FAULTS = "timeouts=0.2%,reset=2%,cut=1%,duplicates=2%,errors=2%,notices-lost=5%"
_TIMES = re.compile(r"^((?:(?:ttft_)?p\d+_m?s|fetch_ms) = )([\d.]+)", re.MULTILINE)


class Mocks:
    """Served with a file of books, at one port, by one process after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = "0"
        self._process = self._served()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process = self._served()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def until_calls(self, more: int) -> None:
        """So many more than stand in the file now."""
        before = self._calls()
        until(lambda: self._calls() >= before + more)

    def _calls(self) -> int:
        with closing(sqlite3.connect(f"file:{self._folder}/books?mode=ro", uri=True)) as sql:
            return int(sql.execute("SELECT count(*) FROM calls").fetchone()[0])

    def _served(self) -> subprocess.Popen[str]:
        named = [f"--profile={name}.toml" for name in (*LANES, "gpt-4o")]
        process = subprocess.Popen(
            [
                *COMMAND, "mocks", "serve", "--json", "--port", self._port, "--ledger", "books",
                "--faults", FAULTS, *named,
            ],
            cwd=self._folder,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout as out:
            line = out.readline()
        assert line
        self._port = str(httpx.URL(msgspec.json.decode(line)["base_url"]).port)
        return process


def _app(mocks: Mocks, folder: Path, seed: int) -> subprocess.Popen[bytes]:
    here = Path(__file__).parents[2]
    return subprocess.Popen(
        [
            sys.executable, "-m", "tests.cli.killed_client", mocks.base_url, str(seed), str(TURNS),
            FAULTS, str(folder / "came"),
        ],
        cwd=folder,
        env=environment(PYTHONPATH=str(here)),
    )  # fmt: skip


def _write_profiles(folder: Path) -> None:
    for name in (*LANES, "gpt-4o"):
        text = (FOLDER / f"{name}.toml").read_text("utf-8")
        text = _TIMES.sub(lambda of: f"{of[1]}{float(of[2]) / FASTER}", text)
        text = text.replace("tokens_per_s = 80.0", f"tokens_per_s = {80.0 * FASTER}")
        (folder / f"{name}.toml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(1, marks=pytest.mark.thorough),
        *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6)),
    ],
)
def test_books_hold_however_mocks_and_app_are_killed(seed: int, tmp_path: Path) -> None:
    _write_profiles(tmp_path)
    luck = random.Random(seed)
    mocks = Mocks(tmp_path)
    app = _app(mocks, tmp_path, seed)
    try:
        mocks.until_calls(luck.randrange(KEYS, KEYS + 40))
        app.kill()
        app.wait()
        app = _app(mocks, tmp_path, seed)
        mocks.until_calls(luck.randrange(KEYS, KEYS + 40))
        mocks.kill()
        assert app.wait(PATIENCE_S) == 0
    finally:
        app.kill()
        app.wait()
        mocks.end()
    lines = (tmp_path / "came").read_bytes().splitlines()
    came = [msgspec.json.decode(line, type=Came) for line in lines]
    assert [of.lane for of in came] == LANES
    assert [of.turns for of in came] == [TURNS] * len(LANES)
    assert sum(of.failed for of in came) <= 1  # or nobody was patient
    paid = [of for of in came if of.lane not in ORDERED]
    assert sum(of.captured for of in paid) >= TURNS * len(paid) - 1
    assert [of.twice for of in came] == [0] * len(LANES)
    assert [of for one in came for of in one.books.breaches] == []
