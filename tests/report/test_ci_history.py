"""Figures for a dashboard: its fields and no others, numbers only, under names that stay."""

import json
import re
from typing import cast

from harness.record.check import TestedFlows
from harness.report.ci import history_json
from tests.report.sample_ci import FAILED, PASSED, UNSURE, flow, played


def metrics(*tests: TestedFlows) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], json.loads(history_json(tests)))


def test_a_flow_is_a_metric_a_percentile() -> None:
    assert [(of["name"], of["unit"], of["value"]) for of in metrics(PASSED)] == [
        ("conversation/prewarm p50", "ms", 3355.0),
        ("conversation/prewarm p95", "ms", 4801.5),
    ]


def test_a_percentile_that_is_no_number_is_left_out() -> None:
    never = played("test_x", flows=[flow(p50_ms=None)])
    assert [of["name"] for of in metrics(never)] == ["conversation/prewarm p95"]


def test_the_range_is_half_the_interval_as_the_dashboard_parses_it() -> None:
    # github-action-benchmark's extractRangeInfo: a digit and at least one more character.
    parsed = re.compile(r"(?P<prefix>(\+-|±)\s*)(?P<value>\d.+)")
    for of in metrics(PASSED, played("test_x", flows=[flow("other")])):
        found = parsed.match(cast(str, of["range"]))
        assert found is not None and float(found["value"]) == 25.0


def test_the_tooltip_tells_the_interval_the_turns_and_the_stages() -> None:
    assert cast(str, metrics(PASSED)[0]["extra"]).splitlines() == [
        "95% interval [3335.0, 3385.0] ms",
        "400 turns, 0 failed",
        "pay: 598.0 ms a turn",
        "intent: 2001.4 ms a turn",
        "other: 3.0 ms a turn",
        "confirm: 480.1 ms a turn",
    ]


def test_a_metric_has_the_fields_that_the_dashboard_knows() -> None:
    known = {"name", "unit", "value", "range", "extra"}
    assert all(set(of) <= known and {"name", "unit", "value"} <= set(of) for of in metrics(FAILED))


def test_names_do_not_depend_on_the_order_of_the_tests_nor_on_their_outcome() -> None:
    names = {cast(str, of["name"]) for of in metrics(PASSED, UNSURE)}
    assert names == {cast(str, of["name"]) for of in metrics(FAILED)}
    apart = [PASSED, played("test_y", flows=[flow(p50_ms=1.0)])]
    assert sorted(cast(str, of["name"]) for of in metrics(*apart)) == sorted(
        cast(str, of["name"]) for of in metrics(*reversed(apart))
    )


def test_no_flows_are_an_empty_list() -> None:
    assert metrics() == []
