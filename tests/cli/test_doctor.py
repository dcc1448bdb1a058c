"""`tollbench doctor`: who could be asked in reality, and what a run would send, told without a key
and without a request."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from harness.cli.doctor import doctor
from harness.cli.examined import Examined, examine
from harness.cli.exits import BadInput
from harness.cli.reach import Reached, reach
from harness.cli.setup import Options
from harness.cli.target_lines import print_examined
from harness.cli.targets import Wanted
from harness.providers import MODELS, PAYMENTS
from harness.real.credentials import PROVIDERS, WECHATPAY

SECRET = "hunter2-hunter2"
OPENAI = {"OPENAI_API_KEY": SECRET}
STRIPE = {"STRIPE_API_KEY": f"sk_test_{SECRET.replace('-', '')}"}


@dataclass
class Reaching:
    """Reaches everybody at once, and remembers whom."""

    asked: dict[str, str] = field(default_factory=dict)

    def __call__(self, bases: Mapping[str, str]) -> dict[str, Reached]:
        self.asked = dict(bases)
        return {name: Reached(dns_ms=3.0, tcp_ms=10.0, tls_ms=22.5) for name in bases}


def examined(
    environ: Mapping[str, str],
    reaching: Reaching | None = None,
    *,
    all_: bool = False,
    **options: str,
) -> Examined:
    wanted = Wanted(targets="real", environ=environ)
    cast = Options(**options)  # type: ignore[arg-type]
    return examine(cast, wanted, reach_all=all_, reaching=reaching or Reaching())


def printed(found: Examined) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    print_examined(found, console)
    return console.export_text()


def test_every_provider_has_its_line() -> None:
    names = [of.name for of in examined({}).providers]
    assert len(names) == len(set(names))
    assert set(names) == {*PROVIDERS, *PAYMENTS} == {*MODELS, *PAYMENTS}


def test_with_no_credentials_all_are_mocks_and_nobody_is_connected_to() -> None:
    reaching = Reaching()
    found = examined({}, reaching)
    assert {of.kind for of in found.providers} == {"mock"}
    assert reaching.asked == {}
    assert found.problems == ["nobody whom it asks has credentials here"]


def test_who_was_found_is_told_by_names_and_connected_to() -> None:
    reaching = Reaching()
    found = examined(OPENAI | STRIPE | {"OPENAI_ORG_ID": "mine"}, reaching, pay="stripe")
    of = {each.name: each for each in found.providers}
    assert (of["openai"].kind, of["openai"].found) == ("real", ("OPENAI_API_KEY",))
    assert of["openai"].note == "not used: OPENAI_ORG_ID"
    assert (of["stripe"].kind, of["stripe"].host) == ("sandbox", "api.stripe.com")
    assert of["stripe"].reached == Reached(dns_ms=3.0, tcp_ms=10.0, tls_ms=22.5)
    assert set(reaching.asked) == {"openai", "stripe"}
    assert found.problems == []


def test_what_was_found_is_told_where_it_is_not_enough_too() -> None:
    partly = {"AP_APP_ID": "1", "AP_APP_KEY": " ", "STRIPE_SECRET_KEY": "sk_live_12345678"}
    wechat = {name: "x" for name in WECHATPAY}
    of = {each.name: each for each in examined(partly | wechat).providers}
    assert (of["alipay-v3"].kind, of["alipay-v3"].found) == ("mock", ("AP_APP_ID",))
    assert "AP_APP_ID set, but not AP_APP_KEY" in of["alipay-v3"].note
    assert (of["stripe"].refused, of["stripe"].found) == (True, ("STRIPE_SECRET_KEY",))
    assert of["wechatpay"].found == WECHATPAY
    assert of["litellm"].found == ()


def test_with_reach_every_host_is_connected_to() -> None:
    reaching = Reaching()
    examined({}, reaching, all_=True)
    own_server = {"litellm"}
    assert set(reaching.asked) == set(PROVIDERS) - own_server
    assert all(base.startswith("https://") for base in reaching.asked.values())


def test_a_refused_key_is_told_and_its_provider_not_connected_to() -> None:
    reaching = Reaching()
    found = examined({"STRIPE_API_KEY": "sk_live_12345678"}, reaching, pay="stripe")
    (stripe,) = [of for of in found.providers if of.name == "stripe"]
    assert (stripe.kind, stripe.refused, stripe.reached) == ("mock", True, None)
    assert reaching.asked == {}
    assert found.problems[0].startswith("--targets real: stripe: STRIPE_API_KEY is a live key")
    assert "refused" in printed(found)


def test_what_a_run_would_send_and_cost_is_told() -> None:
    found = examined(OPENAI, pay="stripe")
    models, orders = found.sent
    assert (models.provider, models.kind, models.calls_a_turn, models.calls) == (
        "openai", "real", 2, 336,
    )  # fmt: skip
    assert (orders.provider, orders.kind, orders.orders) == ("stripe", "mock", 168)
    assert 0.1 < models.usd < found.caps.spend_usd
    told = printed(found)
    assert "168 turns at 0.2/s" in told
    assert "At most, whatever happens: 1 USD for tokens" in told


def test_why_the_run_would_be_refused_is_told() -> None:
    anthropic = {"ANTHROPIC_API_KEY": f"sk-ant-{SECRET}"}
    wanted = Wanted(targets="real", environ=anthropic, most_spend_usd="0.001")
    options = Options(models={"intent": "claude-3-5-haiku", "confirm": "claude-haiku-4-5"})
    retired, usd = examine(options, wanted, reaching=Reaching()).problems
    assert "take --intent claude-haiku-4-5" in retired
    assert "--most-spend-usd" in usd
    (fallback,) = examined(
        {"TOKENMIX_API_KEY": SECRET}, gateway="tokenmix", fallback="gpt-4o-mini"
    ).problems
    assert "what a real gateway falls back to is set up there" in fallback


@pytest.mark.parametrize("all_", [False, True])
def test_it_fits_80_columns_and_shows_no_value(all_: bool) -> None:
    found = examined(OPENAI | STRIPE, all_=all_, pay="stripe")
    told = printed(found)
    assert all(len(line.rstrip()) <= 80 for line in told.splitlines())
    assert "…" not in told
    assert SECRET not in told
    for name in ("OPENAI_API_KEY", "WECHATPAY_CERT_SERIAL_NO", "generativelanguage.googleapis.com"):
        assert name in told


def test_as_json_it_is_one_object_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", f"sk_live_{SECRET}")
    assert doctor(json=True) == 0
    out = capsys.readouterr().out
    assert {of["name"] for of in json.loads(out)["providers"]} == {*PROVIDERS, *PAYMENTS}
    assert SECRET not in out


def test_a_cast_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="--pay: unknown profile 'bogus'"):
        examined({}, pay="bogus")


class _Listening:
    """A server on loopback that nobody must ask anything."""

    def __init__(self) -> None:
        self.heard = b""
        self.over = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.read()
        writer.close()
        await writer.wait_closed()
        self.over.set()


@pytest.mark.socket
def test_reaching_a_host_opens_a_connection_and_says_nothing_over_it() -> None:
    async def main() -> tuple[dict[str, Reached], bytes]:
        listening = _Listening()
        server = await asyncio.start_server(listening.accept, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            base = f"http://127.0.0.1:{port}"
            bases = {"one": f"{base}/v1", "two": f"{base}/v2", "gone": "http://127.0.0.1:1"}
            found = await asyncio.to_thread(reach, bases)
            await listening.over.wait()
            return found, listening.heard

    found, heard = asyncio.run(main())
    assert found["one"] == found["two"]
    assert (found["one"].fault, found["one"].dns_ms, found["one"].tls_ms) == ("", None, None)
    assert found["one"].tcp_ms is not None
    assert found["gone"].fault == "connection refused"
    assert heard == b""
