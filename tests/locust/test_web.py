"""What is added to Locust's web interface, as any HTTP client meets it: routes, files, the form."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from harness.load.live_figures import Snapshot
from tests.locust.processes import ROOT
from tests.locust.sample_snapshot import (
    MET,
    MISSED,
    NOWHERE,
    REFUSAL,
    UNDECIDED,
    one_lost,
    so_far,
)
from tests.locust.web_window import Double, double

pytestmark = pytest.mark.socket

FILES = ("report.html", "run.json", "flows.parquet", "spans.parquet")
LOOKS = (ROOT / "harness/report/page/style.css", ROOT / "harness/load/conductor/pages/page.css")


@pytest.fixture(scope="module")
def served() -> Iterator[Double]:
    """Below a base path, as behind a proxy."""
    with double("/load") as found:
        yield found


@pytest.fixture
def stored(served: Double, tmp_path: Path) -> Double:
    """A stored run, with one of its files missing and others beside it that are nobody's."""
    for name in FILES[:3]:
        (tmp_path / name).write_text(f"<p>{name}</p>")
    (tmp_path / "secret.txt").write_text("not to be had")
    served.move(so_far(), folder=str(tmp_path), stored=True)
    return served


def _live(served: Double) -> dict[str, object]:
    told: dict[str, object] = json.loads(served.get("tollbench/live.json")[1])
    return told


def test_the_board_is_told_as_it_stands(served: Double, tmp_path: Path) -> None:
    nothing: dict[str, object] = {"problems": [], "snapshot": None, "stored": False, "files": []}
    served.move()
    assert _live(served) == nothing
    served.move(problems=["one", "two"])
    assert _live(served) == {**nothing, "problems": ["one", "two"]}
    served.move(so_far(), folder=str(tmp_path))
    told = _live(served)["snapshot"]
    assert isinstance(told, dict)
    assert (told["run_id"], told["seed"]) == (so_far().run_id, 7)


def test_what_is_wrong_is_told_in_two_words_and_the_worst_of_it(served: Double) -> None:
    missed = msgspec.structs.replace(so_far(), slos=[MET, MISSED])
    boards: list[tuple[Snapshot | None, list[str], str]] = [
        (None, [], ""),
        (so_far(), [], ""),
        (msgspec.structs.replace(so_far(), slos=[MET, UNDECIDED]), [], ""),
        (missed, [], "SLO missed"),
        (one_lost(), [], "INVALID"),
        (None, ["no mocks"], "not started"),
    ]
    for snapshot, problems, alarm in boards:
        served.move(snapshot, problems=problems)
        assert json.loads(served.get("tollbench/alarm.json")[1]) == {"alarm": alarm}


@pytest.mark.parametrize("path", ["report/", *(f"files/{name}" for name in FILES)])
def test_nothing_can_be_fetched_before_the_run_is_stored(
    served: Double, tmp_path: Path, path: str
) -> None:
    (tmp_path / "run.json").write_text("half")
    served.move(so_far(), folder=str(tmp_path))
    status, body = served.get(f"tollbench/{path}")
    assert status == 404
    assert body == b"There is no run here yet: it is stored when its test has ended.\n"


def test_a_stored_run_gives_its_files_and_its_report(stored: Double) -> None:
    for name in FILES[:3]:
        assert stored.get(f"tollbench/files/{name}") == (200, f"<p>{name}</p>".encode())
    assert stored.get("tollbench/report/") == (200, b"<p>report.html</p>")
    assert _live(stored)["files"] == list(FILES[:3])


def test_a_file_the_run_does_not_have_is_told_by_its_name(stored: Double) -> None:
    status, body = stored.get("tollbench/files/spans.parquet")
    assert (status, body) == (404, b"This run was stored without spans.parquet.\n")


@pytest.mark.parametrize(
    "name",
    [
        "secret.txt",
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2Fetc%2Fpasswd",
        "run.json%00",
        ".",
        "",
    ],
)
def test_no_other_file_can_be_had(stored: Double, name: str) -> None:
    status, body = stored.get(f"tollbench/files/{name}")
    assert status == 404
    assert b"not to be had" not in body
    assert b"root:" not in body


def test_options_that_cannot_be_used_are_answered_and_start_no_user(served: Double) -> None:
    told = served.post("swarm", host=NOWHERE, user_count="3", spawn_rate="3")
    assert told == {"success": False, "message": "\n".join(REFUSAL), "host": None}
    state = json.loads(served.get("stats/requests")[1])
    assert (state["state"], state["user_count"]) == ("ready", 0)


def test_the_page_lies_in_the_package_whole_and_asks_for_nothing_outside(served: Double) -> None:
    status, page = served.get("tollbench/")
    assert status == 200
    named = re.findall(rb'(?:src|href)="([^"#]+)"', page)
    own = [name.decode() for name in named if not name.startswith((b"data:", b"./"))]
    assert own == ["theme.js", "page.css", "page.js"]
    assert [served.get(f"tollbench/{name}")[0] for name in [*own, "tab.js"]] == [200] * 4
    assert b'<script src="./tollbench/tab.js"></script></body>' in served.get("")[1]


def test_its_colours_are_those_of_the_report() -> None:
    """Which are held against each other in the report's own tests."""
    report, page = (_colours(path.read_text()) for path in LOOKS)
    assert [len(each) > 20 for each in page] == [True, True]
    for ours, theirs in zip(page, report, strict=True):
        assert ours.items() <= theirs.items()


def _colours(style: str) -> list[dict[str, str]]:
    """Of light, and of dark."""
    blocks = re.findall(r":root[^{]*\{([^{}]*--link[^{}]*)\}", style)
    return [dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks]


@pytest.mark.thorough
def test_who_has_to_log_in_for_locust_has_to_for_the_tab() -> None:
    with double("", "login") as guarded:
        for path in ("tollbench/", "tollbench/live.json", "tollbench/report/"):
            _, body = guarded.get(path)
            assert b"authArgs" in body  # Locust's login page
            assert b"snapshot" not in body
        _, body = guarded.get("swarm", b"host=" + quote(NOWHERE).encode())
        assert REFUSAL[0].encode() not in body
