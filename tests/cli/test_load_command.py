"""`tollbench load`: one strategy or one URL, open-loop, as one JSON object."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from harness.report.load import LoadFigures
from tests.cli.command import Done, tollbench
from tests.cli.quick import NAMES, write_profiles

KEYS = {
    "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "due", "started", "finished", "failed",
    "fault", "running", "error_p50_ms", "error_p99_ms", "lag_p50_ms", "lag_p99_ms",
    "loop_lag_p99_ms", "loop_lag_max_ms", "cpu_share", "workers", "connections", "calls", "valid",
    "invalid_because", "slos", "results", "faults", "books",
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    """Answers 200, but 503 below /busy and 404 below /gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = {"busy": 503, "gone": 404}.get(self.path.strip("/"), 200)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_virtual_load_tells_its_figures_and_keeps_its_rows(tmp_path: Path) -> None:
    args = ("--rate", "20", "--duration", "5", "--clock", "virtual", "--strategy", "token-cache")
    done = tollbench("load", "conversation", *args, "--json", cwd=tmp_path)
    figures = _figures(done)
    assert (done.code, done.err) == (0, "")
    assert (figures.valid, figures.failed) == (True, 0)
    assert figures.due == figures.started == figures.finished > 50
    summary, rows = done.stored
    assert {row.variant for row in rows.flows} == {"token_cache"}
    assert max(row.response_ms for row in rows.flows) == figures.max_ms
    assert summary.parameters["rate"] == 20.0
    assert figures.results == f"results/{summary.run_id}"


@pytest.mark.socket
def test_a_real_load_finds_its_own_mocks_wherever_it_runs(tmp_path: Path) -> None:
    write_profiles(tmp_path, times_faster=20)
    (tmp_path / "mocks.py").write_text("raise SystemExit('the wrong mocks')\n")
    args = ("--rate", "40", "--duration", "1", "--set", "turns=1", *NAMES)
    done = tollbench("load", "conversation", *args, "--json", cwd=tmp_path)
    figures = _figures(done)
    assert done.err == ""
    assert figures.due == figures.started == figures.finished > 10
    assert figures.failed == 0
    assert done.stored[0].clock == "real"


@pytest.mark.socket
def test_a_url_is_probed_at_the_rate_asked_for(server: str, tmp_path: Path) -> None:
    done = _probe(server, tmp_path)
    figures = _figures(done)
    assert figures.due == figures.started == figures.finished > 20
    assert figures.failed == 0
    assert figures.p50_ms is not None and figures.p50_ms > 0
    summary, rows = done.stored
    assert (summary.scenario, summary.endpoints, summary.profiles) == ("http", "real", {})
    assert {(row.stage, row.status) for row in rows.spans} == {("http", 200)}


@pytest.mark.socket
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/busy", "Overloaded: 503"),
        pytest.param("/gone", "Malformed: 404", marks=pytest.mark.thorough),
    ],
)
def test_a_url_that_only_refuses_makes_no_run_to_believe(
    path: str, fault: str, server: str, tmp_path: Path
) -> None:
    done = _probe(server + path, tmp_path)
    figures = _figures(done)
    assert done.code == 4
    assert figures.failed == figures.started > 0 == figures.finished
    assert (figures.p50_ms, figures.max_ms) == (None, None)
    assert figures.invalid_because[-1] == f"every turn failed: {fault}"


@pytest.mark.socket
@pytest.mark.thorough
def test_a_url_where_nothing_listens_makes_no_run_to_believe(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/"
    done = _probe(url, tmp_path)
    figures = _figures(done)
    assert (done.code, done.err) == (4, "")
    assert figures.failed == figures.started > 0 == figures.finished
    assert figures.p50_ms is None
    assert figures.invalid_because[-1].startswith("every turn failed: Unreachable: ")


VIRTUAL = ("load", "conversation", "--rate", "20", "--duration", "15", "--clock", "virtual")


@pytest.mark.parametrize(
    ("slo", "code", "verdicts"),
    [
        ("p50<60s, intent p50<1ms, p99.99<60s", 1, ["met", "missed", "cannot tell"]),
        pytest.param("p50<60s, pay p95<60s, errors<5%", 0, ["met"] * 3, marks=pytest.mark.thorough),
        pytest.param(
            "p50<60s, p99.99<60s, sleep p50<1s",
            3,
            ["met", "cannot tell", "cannot tell"],
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_promises_decide_the_exit_code_and_are_kept_with_the_run(
    slo: str, code: int, verdicts: list[str], tmp_path: Path
) -> None:
    done = tollbench(*VIRTUAL, "--slo", slo, cwd=tmp_path)
    summary, _ = done.stored
    assert (done.code, done.err) == (code, "")
    assert [one.verdict for one in summary.slos] == verdicts
    lines = [line for line in done.out.splitlines() if line.startswith("SLO ")]
    assert [line.split("  ")[0] for line in lines] == [f"SLO {verdict}" for verdict in verdicts]


def test_a_run_that_is_not_believed_breaks_no_promise(tmp_path: Path) -> None:
    args = ("--drain", "0", "--rate", "1", "--duration", "0.1", "--slo", "p50<1ms", "--json")
    done = tollbench("load", "conversation", "--clock", "virtual", *args, cwd=tmp_path)
    assert (done.code, _figures(done).valid) == (4, False)


def test_every_mistake_of_a_promise_is_told_beside_the_others(tmp_path: Path) -> None:
    done = tollbench("load", "conversation", "--rate", "0", "--duration", "1", "--slo",
                     "p99=3s,errors<1s", cwd=tmp_path)  # fmt: skip
    assert done.code == 2
    assert [line.split(" ")[1] for line in done.err.splitlines()] == ["--slo:", "--slo:", "--rate"]


def _probe(url: str, cwd: Path) -> Done:
    args = ("--url", url, "--rate", "60", "--duration", "0.5", "--json")
    return tollbench("load", "http", *args, cwd=cwd)


def _figures(done: Done) -> LoadFigures:
    told = msgspec.json.decode(done.out, type=dict[str, object])
    assert told.keys() == KEYS
    return msgspec.convert(told, LoadFigures)
