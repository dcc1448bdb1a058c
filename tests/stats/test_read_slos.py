"""Promises as users write them; every mistake is told, each with its mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.slo import read_slos, read_time_ms


@pytest.mark.parametrize(
    ("text", "stage", "quantile", "limit"),
    [
        ("p99<3s", "", 0.99, 3000),
        (" p95  <  800ms ", "", 0.95, 800),
        ("p50<.5s", "", 0.5, 500),
        ("p99.99<1s", "", 0.9999, 1000),
        ("pay p99<1.2s", "pay", 0.99, 1200),
        ("token_cache.x p75 < 1 s", "token_cache.x", 0.75, 1000),
        ("errors<0.5%", "", None, 0.005),
        ("pay errors < 1 %", "pay", None, 0.01),
        ("errors<100%", "", None, 1),
        ("p95 <= 3s", "", 0.95, 3000),
        ("pay errors<=1%", "pay", None, 0.01),
    ],
)
def test_a_promise_is_a_stage_a_figure_and_a_limit(
    text: str, stage: str, quantile: float | None, limit: float
) -> None:
    (slo,) = read_slos(text)
    assert (slo.text, slo.stage, slo.quantile) == (text.strip(), stage, quantile)
    assert slo.limit == pytest.approx(limit)
    assert slo.inclusive == ("<=" in text)


def test_a_list_keeps_its_order() -> None:
    found = read_slos("errors<1%, p99<3s,p50<1s , pay p99<3s")
    assert [slo.text for slo in found] == ["errors<1%", "p99<3s", "p50<1s", "pay p99<3s"]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("", "write it as p99<3s"),
        ("p99", "write it as p99<3s"),
        ("p99=3s", "write it as p99<3s"),
        ("p99=<3s", "write it as p99<3s"),
        ("p99>3s", "write it as p99<3s"),
        ("3s", "write it as p99<3s"),
        ("p99<3s p95<1s", "write it as p99<3s"),
        ("p99<-3s", "write it as p99<3s"),
        ("p30<1s", "from p50 to p99.99"),
        ("p99.999<1s", "from p50 to p99.99"),
        ("p9.9.9<1s", "from p50 to p99.99"),
        ("p99<3", "as in 3s or 800ms"),
        ("p99<3%", "as in 3s or 800ms"),
        ("p99<0s", "as in 3s or 800ms"),
        ("p99<2h", "as in 3s or 800ms"),
        ("p99<3601s", "up to an hour"),
        ("errors<1s", "as in 0.5%"),
        ("errors<0.005", "as in 0.5%"),
        ("errors<0%", "above 0%"),
        ("errors<101%", "up to 100%"),
    ],
)
def test_a_mistake_is_told_with_its_mend(text: str, mend: str) -> None:
    with pytest.raises(ValueError, match="'") as told:
        read_slos(text)
    (line,) = str(told.value).splitlines()
    assert line.startswith(repr(text))
    assert mend in line


def test_all_mistakes_are_told_at_once_a_line_each() -> None:
    with pytest.raises(ValueError, match="'") as told:
        read_slos("p99=3s, p95<1s, errors<1s, p95<2s,")
    lines = str(told.value).splitlines()
    assert [line.split("'")[1] for line in lines] == ["p99=3s", "errors<1s", "p95<2s", ""]
    assert "keep one" in lines[2]


@given(st.text(max_size=30))
def test_no_text_ends_in_anything_but_promises_or_lines(text: str) -> None:
    try:
        assert all(slo.limit > 0 for slo in read_slos(text))
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("8s", 8000), ("800ms", 800), (" .5 s ", 500), ("3600s", 3_600_000), ("3600.1s", None),
     ("0s", None), ("8", None), ("", None), ("8 m", None), ("1e3s", None)],
)  # fmt: skip
def test_a_time_is_of_seconds_or_milliseconds_up_to_an_hour(text: str, ms: float | None) -> None:
    assert read_time_ms(text) == ms
