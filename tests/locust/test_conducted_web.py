"""Tests that are started and stopped in Locust's web interface, with doubles of our processes."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.free_port import free_port
from tests.locust.doubles.collector import LOG
from tests.locust.processes import DOUBLES, LIMIT_S, begun, locust

pytestmark = [pytest.mark.socket, pytest.mark.thorough]

FORM = {"user_count": "2", "spawn_rate": "9", "flow_rate": "5"}


class Web:
    """Locust's interface, and what the collector's double heard in each test."""

    def __init__(self, port: str, out: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.folder = out
        self._log = out / LOG

    def get(self, path: str, form: dict[str, str] | None = None) -> Any:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._url + path, data, timeout=LIMIT_S) as answer:
            return json.loads(answer.read())

    def is_up(self) -> bool:
        try:
            self.get("/worker-count")
        except OSError:
            return False
        return True

    @property
    def tests(self) -> list[list[dict[str, Any]]]:
        text = self._log.read_text() if self._log.exists() else ""
        found: list[list[dict[str, Any]]] = []
        for line in map(json.loads, text.splitlines()):
            if line["type"] == "opening":
                found.append([])
            found[-1].append(line)
        return found

    def is_played(self) -> bool:
        return any(line.get("turns") for line in self.tests[-1])

    def plays(self, number: int) -> bool:
        """Whether the test of that number, from 1 on, has begun to."""
        return len(self.tests) == number and self.is_played()

    def is_closed(self) -> bool:
        return bool(self.tests[-1][-1]["type"] == "close")


def _until(what: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.05)


@contextmanager
def _serving(out: Path, *more: str, file: str = DOUBLES) -> Iterator[Web]:
    port = str(free_port())
    out.mkdir()
    command = locust({"out": str(out)}, *more, file=file)
    command.remove("--headless")
    with begun([*command, "--web-host", "127.0.0.1", "--web-port", port]):
        web = Web(port, out)
        _until(web.is_up)
        _until(lambda: not more or web.get("/worker-count")["worker_count"] == 2)
        yield web


@pytest.fixture(params=[(), ("--processes", "2")], ids=["one process", "two workers"])
def web(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Web]:
    with _serving(tmp_path / "run", *request.param) as web:
        yield web


def test_each_test_is_a_run_of_its_own(web: Web) -> None:
    refused = web.get("/swarm", {**FORM, "strategy": "nonsense"})
    assert refused["success"] is False
    assert "must not be nonsense" in refused["message"]
    assert web.tests == []
    for count, flow_rate in enumerate(("5", "7"), 1):
        assert web.get("/swarm", {**FORM, "flow_rate": flow_rate})["success"]
        _until(partial(web.plays, count))
        web.get("/stop", {})
        assert web.is_closed()
    assert len((web.folder / "checks").read_text().splitlines()) >= len(web.tests) + 1
    assert web.tests[1][0]["argv"][-6:] == ["--flow-rate", "7", "-u", "2", "-r", "9"]
    rates = [[line["rate"] for line in t if line["type"] == "planned"] for t in web.tests]
    assert rates == [[10.0, 0.0], [14.0, 0.0]]
    first = [sorted(n for line in t for n, _ in line.get("turns", []))[:1] for t in web.tests]
    assert first == [[0], [0]]


def test_the_forms_run_time_counts_from_the_first_arrival(web: Web) -> None:
    web.get("/swarm", {**FORM, "run_time": "2s"})
    _until(lambda: bool(web.tests) and web.is_closed())
    assert web.tests[0][-1]["at_s"] == pytest.approx(2.0, abs=0.9)
    assert web.is_played()


def test_engines_that_refuse_start_no_test_and_the_next_may_start(web: Web) -> None:
    web.get("/swarm", {**FORM, "intent": "refuse"})
    _until(lambda: bool(web.get("/tollbench/live.json")["problems"]))
    assert web.get("/tollbench/live.json")["problems"] == [
        "--host: nobody is there",
        "--seed: unlucky",
    ]
    web.get("/swarm", {**FORM, "intent": ""})
    _until(lambda: web.plays(2))
    assert web.get("/tollbench/live.json")["problems"] == []


def test_an_option_that_the_form_sets_back_is_set_back_in_the_command_too(web: Web) -> None:
    for number, flow_rate in enumerate(("9", "1"), 1):  # "9" is the spawn rate as well
        web.get("/swarm", {**FORM, "flow_rate": flow_rate})
        _until(partial(web.plays, number))
        web.get("/stop", {})
    first, second = (test[0]["argv"] for test in web.tests)
    assert first[-6:-4] == ["--flow-rate", "9"]
    assert "--flow-rate" not in second


def test_a_load_shape_is_started_without_a_number_of_users(tmp_path: Path) -> None:
    shaped = DOUBLES.replace("locustfile", "shapefile")
    with _serving(tmp_path / "run", file=shaped) as web:
        assert web.get("/swarm", {"flow_rate": "5"})["success"]
        _until(lambda: web.plays(1))


def test_while_a_test_starts_no_other_does(web: Web) -> None:
    assert web.get("/swarm", {**FORM, "intent": "dawdle"})["success"]
    again = web.get("/swarm", {**FORM, "flow_rate": "7"})
    assert (again["success"], "a test is starting" in again["message"]) == (False, True)
    _until(lambda: web.plays(1))
    assert [line["rate"] for line in web.tests[0] if line["type"] == "planned"] == [10.0]


@pytest.mark.parametrize("field", ["out", "param"])
def test_the_form_does_not_set_what_only_the_command_line_may(web: Web, field: str) -> None:
    refused = web.get("/swarm", {**FORM, field: "/elsewhere"})
    assert (refused["success"], "only the command line" in refused["message"]) == (False, True)
    assert web.get("/swarm", FORM)["success"]
    _until(lambda: web.plays(1))


def test_the_number_of_users_may_change_while_a_test_runs(web: Web) -> None:
    web.get("/swarm", FORM)
    _until(lambda: web.plays(1))
    assert web.get("/swarm", {**FORM, "user_count": "4"})["success"]
    _until(lambda: len(_rates(web)) == 2)
    web.get("/stop", {})
    assert _rates(web) == [10.0, 20.0, 0.0]
    assert len(web.tests) == 1


def _rates(web: Web) -> list[float]:
    return [line["rate"] for line in web.tests[-1] if line["type"] == "planned"]
