"""The collector, told frame by frame what engines would tell: its answers, and what it stores."""

import os
from pathlib import Path

import msgspec
import pytest

from harness import record
from harness.cli.collector import ENDED, Collector, collect
from harness.cli.diff import diff
from harness.cli.exits import INCONCLUSIVE, PASS, BadInput
from harness.cli.report import report
from harness.cli.stored import open_run
from harness.load.live_figures import Snapshot
from harness.load.pipe import (
    Close,
    Closed,
    FromCollector,
    Look,
    Opened,
    Planned,
    ToCollector,
    framed,
)
from harness.report import charts
from tests.locust.collected import ARGV, W1, W2, closed_of, opening_of, ten_seconds
from tests.locust.heard import Engine, turn


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts, which take the longest."""
    monkeypatch.setattr(charts, "charts_of", lambda _: [])


def test_a_run_is_stored_whole_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    collector, engines = ten_seconds(tmp_path)
    opened = collector.opened()
    assert Path(opened.folder) == tmp_path / opened.run_id
    summary, closed = closed_of(collector)
    assert closed.code is None
    assert summary.invalid_because == []
    assert (summary.run_id, summary.scenario, summary.argv) == (opened.run_id, "conversation", ARGV)
    assert (summary.clock, summary.endpoints, summary.rounds) == ("real", "mock", 1)
    health = summary.health
    assert (health.due, health.started, health.finished, health.lost) == (100, 100, 100, 0)
    assert (health.workers, health.connections, health.calls) == (2, 6, 100)
    assert health.loop_lag_p99_ms == 0.2
    told = {name: summary.parameters[name] for name in ("rate", "flow_rate", "targets", "arrivals")}
    assert told == {"rate": 10.0, "flow_rate": 1.0, "targets": "mock", "arrivals": "poisson"}
    assert "host" not in summary.parameters
    assert [(engine.name, engine.started) for engine in summary.engines] == [(W1, 50), (W2, 50)]
    rows = record.rows_of(record.read(collector.folder).columns)
    assert [(f, [s]) for f, s in zip(rows.flows, rows.spans, strict=True)] == sorted(
        (row for engine in engines for row in engine.told), key=lambda row: row[0].conversation
    )
    assert (tmp_path / "latest").resolve() == collector.folder.resolve()
    kept = {path.name for path in collector.folder.iterdir()}
    assert kept == {"run.json", "flows.parquet", "spans.parquet", "report.html"}


def test_what_was_shown_is_what_is_stored_to_a_thousandth(tmp_path: Path) -> None:
    collector, _ = ten_seconds(tmp_path, failed=3, slo="p50<3s,errors<50%")
    shown = msgspec.json.decode(collector.look().snapshot, type=Snapshot)
    summary, _ = closed_of(collector)
    (variant,), (row, _) = summary.variants, shown.rows
    assert (row.count, row.failed) == (variant.turns, variant.errors) == (100, 3)
    assert (row.p50_ms, row.p95_ms) == pytest.approx((variant.p50_ms, variant.p95_ms), rel=0.001)
    assert [(slo.text, slo.verdict) for slo in shown.slos] == [
        (slo.text, slo.verdict) for slo in summary.slos
    ]
    assert [(one.name, one.started) for one in shown.workers] == [(W1, 50), (W2, 50)]


@pytest.mark.parametrize(
    ("slo", "failed", "leaks", "code"),
    [
        ("", 0, 0, None),
        ("", 9, 0, None),
        ("p50<3s", 0, 0, 0),
        ("p50<1s", 0, 0, 1),
        ("pay p50<1s, p50<3s", 0, 0, 1),
        ("p99<3s", 0, 0, 3),
        ("p99<3s, p50<1s", 0, 0, 1),
        ("errors<0.1%", 9, 0, 1),
        ("p50<1s", 0, 1, 4),
        ("", 0, 1, 4),
    ],
)
def test_the_exit_code_is_what_the_worst_of_it_says(
    tmp_path: Path, slo: str, failed: int, leaks: int, code: int | None
) -> None:
    collector, engines = ten_seconds(tmp_path, ended=False, failed=failed, slo=slo)
    collector.take(Planned(10.0, 0.0, []))
    for engine in engines:
        collector.take(engine.account(12.0, leaks=leaks))
    summary, closed = closed_of(collector)
    assert closed.code == code
    assert len(summary.slos) == (slo.count(",") + 1 if slo else 0)


def test_the_lines_tell_validity_first_and_fit_a_terminal(tmp_path: Path) -> None:
    collector, _ = ten_seconds(tmp_path, failed=9, slo="p50<3s")
    _, closed = closed_of(collector)
    told = "\n".join(closed.lines)
    assert closed.lines[0] == "VALID"
    assert "100 started = 91 finished + 9 failed + 0 lost" in told
    assert "SLO met" in told and "9  pay  Overloaded 503" in told
    assert str(collector.folder) in told
    assert all(len(line) <= 80 for line in closed.lines if str(tmp_path) not in line)


def test_a_run_of_several_strategies_tells_them_apart(tmp_path: Path) -> None:
    collector = Collector(opening_of(tmp_path, W1, strategy="baseline vs prewarm"))
    engine = Engine(W1, several=True)
    collector.take(Planned(0.0, 20.0, [W1]))
    turns = [
        turn(n, n / 10, 1000.0 + 500 * place, variant=variant)
        for n in range(100)
        for place, variant in enumerate(("baseline", "prewarm"))
    ]
    engine.begins(len(turns))
    collector.take(engine.part(10.0, turns))
    rows = msgspec.json.decode(collector.look().snapshot, type=Snapshot).rows
    assert [(row.strategy, row.stage, row.count) for row in rows] == [
        ("baseline", "", 100),
        ("baseline", "pay", 100),
        ("prewarm", "", 100),
        ("prewarm", "pay", 100),
    ]
    collector.take(engine.account(12.0))
    summary, _ = closed_of(collector)
    assert [(v.name, v.p50_ms, v.prewarm) for v in summary.variants] == [
        ("baseline", 1000.0, False),
        ("prewarm", 1500.0, True),
    ]


def test_a_run_on_staging_says_so_and_where(tmp_path: Path) -> None:
    collector, _ = ten_seconds(tmp_path, targets="staging", host="http://127.0.0.1:8700")
    summary, _ = closed_of(collector)
    assert summary.endpoints == "staging"
    assert summary.parameters["host"] == "http://127.0.0.1:8700"
    assert (summary.profiles, summary.provenance, summary.claims) == ({}, {}, [])


def test_a_run_on_an_app_knows_one_strategy_and_no_mocks(tmp_path: Path) -> None:
    asked = {"scenario": "app-chat", "host": "http://127.0.0.1:8600"}
    collector = Collector(opening_of(tmp_path, W1, **asked))
    engine = Engine(W1)
    collector.take(Planned(0.0, 10.0, [W1]))
    turns = [turn(n, n / 10, 1000.0, variant="app") for n in range(100)]
    engine.begins(100)
    collector.take(engine.part(10.0, turns))
    (row, _) = msgspec.json.decode(collector.look().snapshot, type=Snapshot).rows
    assert (row.strategy, row.stage, row.count) == ("app", "", 100)
    collector.take(engine.account(12.0))
    summary, closed = closed_of(collector)
    assert (summary.scenario, summary.endpoints, closed.code) == ("app-chat", "staging", None)
    assert [(v.name, v.turns, v.p50_ms) for v in summary.variants] == [("app", 100, 1000.0)]
    assert (summary.profiles, summary.invalid_because) == ({}, [])
    assert summary.parameters["host"] == "http://127.0.0.1:8600"


def test_two_runs_can_be_compared_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = []
    for _ in range(2):
        collector, _engines = ten_seconds(tmp_path)
        closed_of(collector)
        names.append(collector.folder.name)
    one, other = names
    assert diff(one, other, out=str(tmp_path)) in (PASS, INCONCLUSIVE)
    assert "baseline" in capsys.readouterr().out
    assert report(one, out=str(tmp_path), open_=False) == PASS
    assert capsys.readouterr().out == f"{tmp_path / one / 'report.html'}\n"
    assert report(one, markdown=True, out=str(tmp_path)) == PASS


def test_a_page_that_cannot_be_made_is_told_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> list[str]:
        raise RuntimeError("no ink")

    monkeypatch.setattr(charts, "charts_of", broken)
    collector, _ = ten_seconds(tmp_path)
    look, closed = collector.close(Close(12.5))
    assert open_run(collector.folder)[0].valid
    assert not msgspec.json.decode(look.snapshot, type=Snapshot).stored
    assert "its page could not be made (RuntimeError: no ink)" in closed.lines[-1]


def test_options_that_cannot_be_used_make_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        Collector(opening_of(tmp_path, seed="x", strategy="nonsense"))
    assert len(refused.value.problems) == 2
    assert list(tmp_path.iterdir()) == []


def _collected(frames: list[bytes]) -> list[FromCollector]:
    """What is answered to these frames, after which the input ends."""
    reading, writing = os.pipe()
    answers: list[FromCollector] = []
    with open(writing, "wb") as pipe:
        for frame in frames:
            pipe.write(framed(frame))
    collect(reading, answers.append)
    os.close(reading)
    return answers


def _frames(*orders: ToCollector) -> list[bytes]:
    return [msgspec.msgpack.encode(order) for order in orders]


def test_an_input_that_ends_without_a_close_leaves_a_run_that_is_invalid(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(W1)
    engine.begins(3)
    part = engine.part(1.0, [turn(0, 0.1, 500.0), turn(1, 0.2, 500.0)])
    opening = msgspec.msgpack.encode(opening_of(tmp_path, W1))
    answers = _collected([opening, *_frames(Planned(0.0, 3.0, [W1]), part)])
    assert [type(answer) for answer in answers] == [Opened, Look, Look, Closed]
    opened, closed = answers[0], answers[-1]
    assert isinstance(opened, Opened) and isinstance(closed, Closed)
    summary, columns = open_run(Path(opened.folder))
    assert closed.code == 4
    assert summary.invalid_because[0] == ENDED
    assert len(columns.turns) == 2 and summary.health.lost == 1
    assert summary.engines[0].died == ENDED
    told = capfd.readouterr().err
    assert told == f"tollbench: {ENDED}: it is kept in {opened.folder}\n"


def test_an_input_without_a_frame_is_noten_seconds(tmp_path: Path) -> None:
    assert _collected([]) == []


def test_a_run_that_never_began_leaves_nothing_behind(tmp_path: Path) -> None:
    opening = msgspec.msgpack.encode(opening_of(tmp_path, W1))
    answers = _collected([opening, *_frames(Planned(0.0, 3.0, [W1]))])
    assert [type(answer) for answer in answers] == [Opened]
    assert list(tmp_path.iterdir()) == []


def test_turns_are_on_disk_as_soon_as_they_are_heard(tmp_path: Path) -> None:
    collector, engines = ten_seconds(tmp_path, ended=False)
    spools = sorted((collector.folder / ".spools").iterdir())
    kept = [rows.flows for spool in spools for rows in record.spooled(spool)]
    collector.close(Close(12.5))
    assert kept == [[flow for flow, _ in engine.told] for engine in engines]
