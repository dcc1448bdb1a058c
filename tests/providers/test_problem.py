"""Problem details in both roles, against the example of their own standard."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import problem
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.problem import Objection, Problem
from tests.providers import foreign

OUT_OF_CREDIT = "You do not have enough credit."


def test_the_standard_s_own_example_is_read() -> None:
    told = foreign.read("rfc/problem.http")
    read = problem.decode_problem(told.status, told.body)
    assert read == Problem(
        "https://example.com/probs/out-of-credit",
        OUT_OF_CREDIT,
        403,
        "Your current balance is 30, but that costs 50.",
    )
    assert read.kind == "out-of-credit"


def test_a_problem_is_written_as_others_read_it() -> None:
    of = Problem("https://x.example/problems/late", "Too late", 409, "by 3 s")
    status, headers, body = problem.encode_problem(Objection(of, {"retry-after": "3"}))
    assert (status, headers["content-type"]) == (409, "application/problem+json")
    assert headers["retry-after"] == "3"
    assert json.loads(body) == {
        "type": "https://x.example/problems/late",
        "title": "Too late",
        "status": 409,
        "detail": "by 3 s",
    }
    assert problem.decode_problem(status, body) == of


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[1]", b'{"title": 1}', b'{"x":"\xff"}'])
def test_what_is_no_problem_says_only_its_status(body: bytes) -> None:
    read = problem.decode_problem(404, body)
    assert read == Problem("about:blank", "", 404, "")
    assert read.kind == "about:blank"


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Malformed),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Malformed),
        (429, RateLimited),
        (500, Overloaded),
        (503, Overloaded),
    ],
)
def test_an_error_status_is_a_fault_of_its_kind_with_the_title(
    status: int, fault: type[ProviderFault]
) -> None:
    raised = problem.fault(status, foreign.read("rfc/problem.http").body)
    assert (type(raised), str(raised)) == (fault, f"{status} {OUT_OF_CREDIT}")
    assert str(problem.fault(status, b"<html>")) == str(status)


@given(st.integers(400, 599), st.binary())
def test_no_error_body_raises(status: int, body: bytes) -> None:
    assert isinstance(problem.fault(status, body), ProviderFault)


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.001, "2")])
def test_a_retry_is_never_asked_for_too_early(seconds: float, told: str) -> None:
    headers = httpx.Headers(problem.retry_after(seconds))
    assert headers["Retry-After"] == told
