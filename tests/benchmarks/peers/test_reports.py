"""What each peer prints is read right: their own bytes, recorded from runs against the server that
stalls. No process is started here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.peers.generators import (
    artillery,
    autocannon,
    hey,
    k6,
    locust,
    ours,
    wrk,
)
from tests.benchmarks.peers.processes import Done
from tests.benchmarks.peers.sample import NoFigures, Sample

FOREIGN = Path(__file__).parent / "foreign"


def _k6(text: str) -> Sample:
    return k6.trend(k6.parse(text.encode()), "http_req_duration")


def _artillery(text: str) -> Sample:
    return artillery.parse(text.encode())


READ: list[tuple[str, Callable[[str], Sample], Sample]] = [
    (
        "hey.txt",
        hey.parse,
        {"p50_ms": 5.3, "p90_ms": 5.6, "p95_ms": 5.7, "p99_ms": 907.0, "sent": 420},
    ),
    ("wrk.txt", wrk.parse, {"p50_ms": 5.15, "p90_ms": 399.96, "p99_ms": 937.03, "sent": 7740}),
    (
        "autocannon.json",
        autocannon.parse,
        {"p50_ms": 382, "p90_ms": 875, "p99_ms": 986, "sent": 449},
    ),
    (
        "artillery.json",
        _artillery,
        {"p50_ms": 5, "p90_ms": 507.8, "p95_ms": 742.6, "p99_ms": 944, "sent": 500},
    ),
    (
        "k6.json",
        _k6,
        {"p50_ms": 8.732234, "p90_ms": 591.593003, "p95_ms": 762.580582, "p99_ms": 950.120551},
    ),
    (
        "locust.csv",
        locust.parse,
        {"p50_ms": 9, "p90_ms": 15, "p95_ms": 16, "p99_ms": 19, "sent": 300},
    ),
]


@pytest.mark.parametrize(("name", "parse", "sample"), READ, ids=[name for name, *_ in READ])
def test_a_peers_own_report_is_read(
    name: str, parse: Callable[[str], Sample], sample: Sample
) -> None:
    assert parse((FOREIGN / name).read_text("utf-8")) == pytest.approx(sample)


NOTHING: list[tuple[Callable[[str], Sample], str]] = [
    (hey.parse, "\nSummary:\n  Total:\t5.0091 secs\n"),
    (hey.parse, ""),
    (wrk.parse, "unable to connect to 127.0.0.1:1 Connection refused\n"),
    (autocannon.parse, ""),
    (autocannon.parse, "{}"),
    (locust.parse, "Type,Name,Request Count,50%,90%,95%,99%\n,Aggregated,0,N/A,N/A,N/A,N/A\n"),
    (_artillery, '{"aggregate": {"counters": {}, "summaries": {}}}'),
    (_k6, "{}"),
]


@pytest.mark.parametrize(("parse", "text"), NOTHING)
def test_a_report_without_figures_is_none_and_no_row_of_zeros(
    parse: Callable[[str], Sample], text: str
) -> None:
    with pytest.raises(NoFigures):
        parse(text)


@pytest.mark.parametrize(("unit", "ms"), [("us", 0.0125), ("ms", 12.5), ("s", 12_500.0)])
def test_wrk_changes_its_units_as_it_likes(unit: str, ms: float) -> None:
    assert (
        wrk.parse(f"     50%   12.50{unit}\n  7 requests in 5.01s, 0.97MB read\n")["p50_ms"] == ms
    )


def test_k6_tells_what_it_could_not_send() -> None:
    recorded = (FOREIGN / "k6.json").read_bytes()
    assert k6.dropped(k6.parse(recorded)) == ""
    counted = b'{"dropped_iterations":{"type":"counter","values":{"count":61,"rate":15.2}}}'
    assert k6.dropped(k6.parse(counted)) == "61 iterations dropped"


OURS = """{"p50_ms": 5.6, "p90_ms": 596.1, "p95_ms": null, "p99_ms": 955.6, "max_ms": 996.0,
  "started": 1200, "valid": false, "invalid_because": ["start lag"], "results": "results/x"}"""


def test_our_own_report_counts_when_it_is_invalid_too() -> None:
    told = ours.parse(Done(4, OURS, "", 1.0))
    assert (told.valid, told.invalid_because, told.started) == (False, ["start lag"], 1200)


@pytest.mark.parametrize("code", [1, 2, -9])
def test_a_command_that_failed_gives_no_figures_but_its_last_words(code: int) -> None:
    with pytest.raises(NoFigures, match=f"exit code {code}: tollbench: --rate takes a number"):
        ours.parse(Done(code, "", "\ntollbench: --rate takes a number\n", 1.0))
