"""`tollbench report` from its command line to the page in a run's folder, or to Markdown."""

import shutil
import webbrowser
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.cli.exits import BadInput
from harness.cli.report import report
from harness.report import charts
from tests.cli.command import Done, tollbench
from tests.report.told import Page, found, mistakes


@pytest.fixture(scope="module")
def kept(compared: Done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs that holds one, under the name `mine`; nobody else looks into it."""
    out = tmp_path_factory.mktemp("kept")
    shutil.copytree(compared.latest.resolve(), out / "mine")
    (out / "mine" / "report.html").unlink(missing_ok=True)
    (out / "latest").symlink_to("mine")
    return out


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    """The folder of a run that a test may spoil."""
    mine = tmp_path / "mine"
    shutil.copytree(kept / "mine", mine, ignore=shutil.ignore_patterns("report.html"))
    return mine


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts, which take the longest."""
    monkeypatch.setattr(charts, "charts_of", lambda _: [])


def _told(path: Path) -> dict[str, object]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, object])


def test_the_newest_run_gets_a_page_beside_its_run_json(kept: Path, tmp_path: Path) -> None:
    done = tollbench("report", "--out", str(kept), cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{kept / 'mine' / 'report.html'}\n"
    read = Page((kept / "mine" / "report.html").read_text("utf-8"))
    assert mistakes(read.told, _told(kept / "mine" / "run.json")) == []
    assert len(read.told) > 300
    assert {f"figure-{chart}" for chart in ("effects", "shift", "ecdf", "rounds")} <= set(read.ids)


def test_a_run_is_named_by_its_folder_or_among_those_kept(run: Path, undrawn: None) -> None:
    for name, out in ((str(run), "results"), (run.name, str(run.parent))):
        assert report(name, False, out, False) == 0
        assert (run / "report.html").is_file()
        (run / "report.html").unlink()


def test_markdown_is_printed_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    done = tollbench("report", str(run), "--markdown", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("### tollbench: conversation\n\n**VALID**")
    assert len(done.out.encode()) < 60_000
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_a_run_of_an_older_schema_gets_figures_taken_anew_from_its_rows(
    run: Path, tmp_path: Path
) -> None:
    now = _told(run / "run.json")
    variants = msgspec.convert(now["variants"], list[dict[str, object]])
    effects = msgspec.convert(now["effects"], list[dict[str, object]])
    later = {"quantiles", "percentiles", "strata"}
    old = now | {
        "schema": 1,
        "variants": [{k: v for k, v in each.items() if k not in later} for each in variants],
        "effects": [
            {k: each[k] for k in ("factor", "quantile")}
            | {"estimate_ms": 77_777.0, "lo_ms": 77_776.0, "hi_ms": 77_778.0}
            for each in effects
        ],
    }
    (run / "run.json").write_bytes(msgspec.json.encode(old))
    done = tollbench("report", str(run), cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    read = Page((run / "report.html").read_text("utf-8"))
    told = [each for each in read.told if each.run[0].startswith("/effects/")]
    assert told
    assert not any("777" in each.text for each in told)
    assert mistakes(told, now) == []
    assert found(now, "/schema") == 2


def _no_run_json(run: Path) -> None:
    (run / "run.json").unlink()


def _half_a_run_json(run: Path) -> None:
    text = (run / "run.json").read_bytes()
    (run / "run.json").write_bytes(text[: len(text) // 2])


def _a_newer_schema(run: Path) -> None:
    (run / "run.json").write_bytes(msgspec.json.encode({"schema": 99}))


def _no_rows(run: Path) -> None:
    (run / "flows.parquet").unlink()


def _other_rows(run: Path) -> None:
    shutil.copy(run / "spans.parquet", run / "flows.parquet")


def _no_place_for_the_page(run: Path) -> None:
    (run / "report.html").mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_run_json, "has no run.json: its run was cut off"),
        (_half_a_run_json, "run.json cannot be read"),
        (_a_newer_schema, "schema 99: a newer tollbench reads it"),
        (_no_rows, "has no flows.parquet"),
        (_other_rows, "is not the file that run.json was made from"),
        (_no_place_for_the_page, "cannot be written to"),
    ],
)
def test_a_run_that_cannot_be_read_gets_one_line_and_no_page(
    run: Path, undrawn: None, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(run)
    with pytest.raises(BadInput) as error:
        report(str(run), False, "results", False)
    (line,) = error.value.problems
    assert told in line
    assert not [path for path in run.iterdir() if path.is_file() and "report" in path.name]


def test_a_run_that_is_nowhere_gets_one_line(tmp_path: Path) -> None:
    for args in ((), ("no-such-run",)):
        done = tollbench("report", *args, cwd=tmp_path)
        assert (done.code, done.out, len(done.problems)) == (2, "", 1)


def test_markdown_cannot_be_opened(run: Path, tmp_path: Path) -> None:
    done = tollbench("report", str(run), "--markdown", "--open", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.problems == [
        "tollbench: --markdown is printed, and there is nothing to --open: leave one out"
    ]


def test_open_shows_the_page_in_the_users_browser(
    run: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    report(str(run), False, "results", True)
    report(str(run), False, "results", False)
    report(str(run), False, "results", None)  # nobody watches: standard output is no terminal
    assert shown == [(run / "report.html").resolve().as_uri()]
