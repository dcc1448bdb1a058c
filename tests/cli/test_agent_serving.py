"""`tollbench agent` as a user runs it: what it prints, serves, refuses and leaves behind."""

import itertools
import json
import re
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.cli.agent_serving import Addresses, Options, serve
from harness.cli.asked import Asked, checked_of
from harness.cli.exits import BadInput
from harness.flow.wish import Wish
from harness.providers.app_chat import decode_answer
from harness.providers.trace import TRACEPARENT, Trace, encode_traceparent, trace_id_of
from tests.cli.agent_process import serving

pytestmark = pytest.mark.socket

SAID = {"user": "ann", "message": Wish(4580, "CNY", "noodles", "balance").said()}


def test_a_chat_streams_and_the_mocks_know_its_trace_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    with serving(tmp_path, "--strategy", "parallel_confirm") as run:
        trace = encode_traceparent(Trace(7, 3, 1))
        with run.client.stream(
            "POST", run.told["chat"], json=SAID, headers={TRACEPARENT: trace}
        ) as answer:
            pieces = list(answer.iter_raw())
        assert answer.headers["transfer-encoding"] == "chunked"
        told = decode_answer(answer.status_code, answer.headers, b"".join(pieces))
        assert told.outcome == "paid" and told.text.startswith("All done!")

        of_turn = f"{run.told['mocks_url']}/_spans?trace={trace_id_of(trace)}"
        spans = run.client.get(of_turn).json()["spans"]
        # The draws are those of the trace, and the confirmation did not wait for the payment.
        began = {span["draw"]: span["arrived_s"] for span in spans}
        stages = ("intent", "session", "pay", "confirm")
        assert set(began) == {f"0.3.1.{stage}.1" for stage in stages}
        assert began["0.3.1.confirm.1"] < began["0.3.1.pay.1"]

        health = run.client.get(f"{run.told['host']}/health").json()
        assert health == {"status": "ok", "strategy": "parallel_confirm", "conversations": 1}
        # All that is served elsewhere is served here too.
        assert run.client.get(f"{run.told['mocks_url']}/stripe/v1/balance").status_code == 401
        assert run.end(signal.SIGINT) == 0
        assert run.err == "tollbench: heard 1 messages (paid 1)\n"
        with pytest.raises(httpx.ConnectError):
            run.client.get(f"{run.told['mocks_url']}/_health")


def _options(**changes: object) -> Options:
    usual: dict[str, object] = {
        "port": "0", "host": "127.0.0.1", "mocks": None, "mocks_port": None,
        "strategy": "baseline", "seed": "1", "pay": None, "intent": None, "confirm": None,
        "reason": None, "as_json": False,
    }  # fmt: skip
    return Options(**{**usual, **changes})  # type: ignore[arg-type]  # a table's values


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_all_mistakes_are_told_at_once_each_with_its_mend(taken: int) -> None:
    wrong = _options(
        port=str(taken), mocks="ftp://x", mocks_port="8700", strategy="guess", seed="-1", pay="cash"
    )
    with pytest.raises(BadInput) as refusal:
        serve(wrong)
    told = refusal.value.problems
    assert told[0] == f"--port {taken} is in use: take another, or 0 for any free one"
    begins = ["--port", "--mocks must", "--mocks-port is", "--strategy", "--seed", "--pay"]
    assert [line.startswith(begin) for line, begin in zip(told, begins, strict=True)] == [True] * 6


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"port": "70000"}, "--port must be a whole number from 0 to 65,535"),
        ({"host": "192.0.2.1"}, "--host 192.0.2.1 is no address of this machine"),
        ({"mocks_port": "TAKEN"}, "--mocks-port TAKEN is in use: take another"),
        ({"mocks": "http://127.0.0.1:1"}, "no mocks at http://127.0.0.1:1 ("),
        ({"mocks": "http://ops:s@127.0.0.1:1"}, "--mocks: a user and password there would not be"),
        ({"mocks": "http://127.0.0.1:1/?key=s"}, "--mocks: paths are added to it; end it before"),
        ({"intent": "nobody"}, "--intent"),
        ({"pay": "wechat-ai+flat"}, "--pay: a chat pays by one provider"),
    ],
    ids=str,
)
def test_one_mistake_is_one_line(changes: dict[str, str], told: str, taken: int) -> None:
    given = {name: text.replace("TAKEN", str(taken)) for name, text in changes.items()}
    with pytest.raises(BadInput) as refusal:
        serve(_options(**given))
    (line,) = refusal.value.problems
    assert line.startswith(told.replace("TAKEN", str(taken)))


ADDRESSES = Addresses("http://127.0.0.1:8600", "http://127.0.0.1:8700", "baseline", "wechat-ai")


def test_the_addresses_say_where_to_post_and_how_to_load(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ADDRESSES.show(as_json=False)
    told = capsys.readouterr().out
    assert "http://127.0.0.1:8600/chat" in told and "Mocks  http://127.0.0.1:8700" in told
    (curl,) = re.findall(r"^curl .*", told, re.MULTILINE)
    assert json.loads(shlex.split(curl)[-1]) == SAID
    (locust,) = re.findall(r"^locust .*", told, re.MULTILINE)
    given = dict(itertools.pairwise(shlex.split(locust)))
    asked = Asked(
        scenario=given["--scenario"],
        host=given["--host"],
        mocks_url=given["--mocks-url"],
        flow_rate=given["--flow-rate"],
    )
    assert (asked.host, asked.mocks_url) == (ADDRESSES.agent, ADDRESSES.mocks)
    assert (checked_of(asked).scenario, checked_of(asked).base_url) == ("app-chat", ADDRESSES.agent)
