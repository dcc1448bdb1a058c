"""The request log: enough to replay what was served, and nothing that must not be kept."""

import io
from typing import Any

import httpx
import msgspec
import pytest

from harness.clock import VirtualClock, run
from harness.providers.told import DRAW_HEADER
from mocks.host import IN_PROCESS_URL, Host, MockConfig
from mocks.log import LONGEST_PATH, RequestLog
from tests.mocks.fast import fast_mocks

BODY = b'{"model":"teller","messages":[{"role":"user","content":"a secret wish"}]}'


def _asked(path: str, draw: str = "") -> httpx.Request:
    headers = {"authorization": "Bearer mock-api-key"} | ({DRAW_HEADER: draw} if draw else {})
    return httpx.Request("POST", IN_PROCESS_URL + path, headers=headers, content=BODY)


def _logged(*asked: httpx.Request, mocks: MockConfig | None = None) -> list[dict[str, Any]]:
    out = io.StringIO()
    log = RequestLog(out)

    async def main() -> None:
        host = Host(VirtualClock(), mocks or fast_mocks())
        for request in asked:
            log.note(request.method, request.url.path, host.decide(request))

    run("virtual", main())
    return [msgspec.json.decode(line) for line in out.getvalue().splitlines()]


def test_a_line_says_who_served_what_and_for_how_long() -> None:
    (line,) = _logged(_asked("/openai/v1/chat/completions", draw="0.3.1.intent.1"))
    assert line.pop("time")[-6:] == "+00:00"
    assert line == {
        "provider": "openai",
        "method": "POST",
        "path": "/openai/v1/chat/completions",
        "status": 200,
        "injected_ms": 20.0,
        "queue_ms": 0.0,
        "work_ms": 0.0,
        "draw": "0.3.1.intent.1",
        "trace": None,
    }


def test_a_call_replayed_with_its_logged_draw_takes_as_long() -> None:
    mocks = fast_mocks()
    teller = mocks.models["teller"]
    latency = msgspec.structs.replace(teller.latency, ttft_p99_ms=500.0)
    wide = msgspec.structs.replace(
        mocks, models={"teller": msgspec.structs.replace(teller, latency=latency)}
    )
    path = "/openai/v1/chat/completions"
    lines = _logged(*[_asked(path) for _ in range(5)], mocks=wide)
    assert len({line["injected_ms"] for line in lines}) == 5
    (again,) = _logged(_asked(path, draw=lines[3]["draw"]), mocks=wide)
    assert again["injected_ms"] == lines[3]["injected_ms"]


def test_what_no_mock_served_has_no_provider() -> None:
    (line,) = _logged(_asked("/nobody/here"))
    assert (line["provider"], line["status"], line["draw"]) == (None, 404, None)


def test_no_body_no_key_and_no_query_is_kept_and_no_endless_path() -> None:
    asked = _asked("/openai/v1/chat/completions?key=hush-hush"), _asked("/openai/" + "a" * 10_000)
    lines = _logged(*asked)
    told = repr(lines)
    assert "secret" not in told and "hush" not in told and "mock-api-key" not in told
    assert len(lines[1]["path"]) == LONGEST_PATH


def test_the_first_line_says_how_to_replay_the_rest() -> None:
    out = io.StringIO()
    RequestLog(out).begin(7, {"gpt-4o": "abc"}, "tollbench mocks serve --seed 7")
    line = msgspec.json.decode(out.getvalue())
    assert (line["seed"], line["profiles"]) == (7, {"gpt-4o": "abc"})
    assert line["replay"] == "tollbench mocks serve --seed 7"


def test_calls_are_counted_by_provider_also_where_nothing_is_written() -> None:
    log = RequestLog()

    async def main() -> None:
        host = Host(VirtualClock(), fast_mocks())
        for path in ("/openai/x", "/wechat-ai/x", "/openai/y", "/x"):
            log.note("POST", path, host.decide(_asked(path)))

    run("virtual", main())
    assert log.served == {"openai": 2, "wechat-ai": 1, "": 1}


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_takes_no_more_ends_and_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = RequestLog(_Full())
    log.note("GET", "/x", None)
    log.note("GET", "/x", None)
    assert log.served.total() == 2
    assert capsys.readouterr().err == (
        "tollbench: the request log ends here: No space left on device\n"
    )
