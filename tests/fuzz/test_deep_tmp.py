"""The APIs that describe themselves keep their word: schemathesis asks what the description allows
and what it forbids, over a socket, and holds every answer against it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import structs

from harness.cli.mock_process import mock_process
from harness.clock import VirtualClock, run
from harness.providers import unionpay_ai
from harness.providers.call import Endpoint
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import PaymentProfile, load

pytestmark = [pytest.mark.sdk, pytest.mark.socket]

DESCRIBED = ("flat", "unionpay-ai")
FEW = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


def _mocks() -> MockConfig:
    """Answers take next to no time, and there is room for everyone."""
    pay = {}
    for name in DESCRIBED:
        profile = load(name, PaymentProfile)
        overhead = structs.replace(profile.overhead, p50_ms=0.1, p99_ms=0.1)
        pay[name] = structs.replace(profile, overhead=overhead, limits=None)
    return MockConfig(seed=1, pay=pay, models={})


def _described(name: str) -> Any:
    """Told by the mock in here, so that tests have names before anything is served."""

    async def main() -> bytes:
        host = Host(VirtualClock(), _mocks())
        url = f"{IN_PROCESS_URL}/{name}/openapi.json"
        return (await host(httpx.Request("GET", url))).content

    return msgspec.json.decode(run("virtual", main()))


OPERATIONS = [
    (name, method, path)
    for name in DESCRIBED
    for path, methods in _described(name)["paths"].items()
    for method in methods
    if method in ("get", "post", "put", "patch", "delete")
]


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with mock_process(_mocks()) as url:
        yield url


def test_the_description_is_served(served: str) -> None:
    for name in DESCRIBED:
        answer = httpx.get(f"{served}/{name}/openapi.json", trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json()["servers"] == [{"url": f"/{name}"}]


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "forbidden"])
@pytest.mark.parametrize(("name", "method", "path"), OPERATIONS)
def test_every_answer_is_one_that_is_described(
    name: str, method: str, path: str, allowed: bool, served: str
) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    operation = schemathesis.openapi.from_dict(_described(name))[path][method]
    modes = schemathesis.GenerationMode
    headers = {"authorization": f"Bearer {_token(name, served)}"}

    @FEW
    @given(case=operation.as_strategy(modes.POSITIVE if allowed else modes.NEGATIVE))
    def ask(case: Any) -> None:
        # A key that was used for another request is refused, however good the request.
        fresh = {"idempotency-key": uuid4().hex} if allowed else {}
        case.call_and_validate(base_url=f"{served}/{name}", headers=headers | fresh)

    ask()


def _token(name: str, served: str) -> str:
    at = endpoints(served, _mocks())[name]
    return _granted(at) if name == "unionpay-ai" else at.key


def _granted(at: Endpoint) -> str:
    call = unionpay_ai.ask_token(at)
    with httpx.Client(trust_env=False) as client:
        answer = client.send(call.request)
    return call.decode(answer.status_code, answer.headers, answer.content).access_token
