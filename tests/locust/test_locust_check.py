"""The check before a run: hosts are asked once, and who does not answer is named with a mend."""

import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator

import msgspec
import pytest

from harness.cli import locust_check
from harness.cli.asked import Asked, Checked
from harness.cli.exits import BadInput
from harness.cli.locust_check import check
from tests.locust.processes import LIMIT_S, PYTHON, ROOT

pytestmark = pytest.mark.socket


class _Server(http.server.BaseHTTPRequestHandler):
    """Healthy as mocks of ours are below /mocks, healthy otherwise below /other, and elsewhere it
    refuses."""

    def do_GET(self) -> None:
        told = {"/mocks/_health": {"status": "ok", "worlds": [""]}, "/other/_health": {"up": True}}
        body = msgspec.json.encode(told.get(self.path))
        self.send_response(200 if self.path in told else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _staging(host: str) -> Asked:
    return Asked(targets="staging", host=host)


def _wrong(asked: Asked) -> list[str]:
    with pytest.raises(BadInput) as raised:
        check(asked)
    return raised.value.problems


def test_any_answer_is_one(url: str) -> None:
    assert check(_staging(url + "/")).base_url == url
    assert check(Asked(scenario="app-chat", host=url)).strategies == ["app"]
    assert check(Asked(scenario="app-chat", host=url, mocks_url=f"{url}/mocks/")).mocks is None


def test_whoever_does_not_answer_is_named_with_a_mend(url: str) -> None:
    tls = url.replace("http:", "https:")
    for host, words in {
        "http://127.0.0.1:1": "nobody listens there: start it, or check the port",
        "http://nowhere.invalid": "no such host is known: check its name",
        tls: "it does not speak TLS as it should: check https:// and the port",
    }.items():
        (line,) = _wrong(_staging(host))
        assert line.startswith(f"--host {host} does not answer (")
        assert line.endswith(words)
        assert "\n" not in line


def test_a_host_that_takes_too_long_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locust_check, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (line,) = _wrong(_staging(host))
    assert line == (
        f"--host {host} does not answer (no whole answer within 0.2 s): check that it runs, and "
        "that it is reached from here"
    )


@pytest.mark.parametrize(("path", "status"), [("/other", 200), ("", 401)])
def test_the_mocks_behind_an_app_must_be_ours(url: str, path: str, status: int) -> None:
    (line,) = _wrong(Asked(scenario="app-chat", host=url, mocks_url=url + path))
    assert line.startswith(f"--mocks-url {url}{path}: what answers there is not")
    assert f"has status {status}" in line


def test_all_who_do_not_answer_are_named() -> None:
    nobody = "http://127.0.0.1:1"
    lines = _wrong(Asked(scenario="app-chat", host=nobody, mocks_url=f"{nobody}/m"))
    assert [line.split(" does not")[0] for line in lines] == [
        f"--host {nobody}", f"--mocks-url {nobody}/m",
    ]  # fmt: skip


def test_nobody_is_asked_while_an_option_is_wrong() -> None:
    (line,) = _wrong(Asked(targets="staging", host="http://127.0.0.1:1", seed="x"))
    assert line.startswith("--seed")


def test_the_process_answers_on_standard_output_alone() -> None:
    good = _process(b'{"scenario": "checkout", "seed": "7", "of a later one": 1}')
    checked = msgspec.json.decode(good.stdout, type=Checked)
    assert (good.returncode, good.stderr, checked.scenario) == (0, b"", "checkout")
    assert checked.mocks is not None
    assert checked.mocks.seed == 7


@pytest.mark.thorough
def test_the_process_tells_all_that_is_wrong_a_line_each() -> None:
    bad = _process(b'{"seed": "x", "flow_rate": "0"}')
    assert (bad.returncode, bad.stdout) == (2, b"")
    lines = bad.stderr.decode().splitlines()
    assert [line.split(" must")[0] for line in lines] == [
        "tollbench: --flow-rate", "tollbench: --seed",
    ]  # fmt: skip


def _process(asked: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [*PYTHON, "harness.cli.locust_check"]
    return subprocess.run(command, input=asked, capture_output=True, cwd=ROOT, timeout=LIMIT_S)
