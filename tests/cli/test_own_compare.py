"""`tollbench compare package.module:function`: a function of the user's own is compared, told and
stored as a scenario is, and all that is wrong with the command is told at once.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import record
from harness.cli import own_flow
from harness.cli.exits import BadInput
from harness.cli.looks import Asking
from harness.cli.own_compare import OwnOptions, compare_function
from harness.cli.own_flow import load_function, names_function
from harness.providers.trace import Trace, number_of, trace_of
from harness.record import Rows, RunSummary
from tests.cli.command import tollbench

FLOWS = '''"""A shop's agent."""

import asyncio
import random
import urllib.parse
import urllib.request

import httpx

CHAT = "https://api.openai.com/v1/chat/completions"
PAY = "https://api.stripe.com/v1/payment_intents"
CARD = {
    "amount": "1099", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
}
TRACES = []


async def checkout(turn, model: str = "gpt-4o", early: bool = False, twice: bool = False):
    TRACES.append(turn.traceparent)
    async with httpx.AsyncClient(timeout=30) as client:
        async def chat(stage):
            with turn.stage(stage):
                said = {"model": model, "messages": [{"role": "user", "content": "noodles"}]}
                (await client.post(CHAT, headers=KEY, json=said)).raise_for_status()

        async def pay():
            with turn.stage("pay"):
                (await client.post(PAY, headers=KEY, data=CARD)).raise_for_status()

        await chat("intent")
        if twice:
            await chat("intent")
        if early:
            await asyncio.gather(chat("confirm"), pay())
        else:
            await pay()
            await chat("confirm")
    return "paid"


async def elsewhere():
    async with httpx.AsyncClient() as client:
        await client.get("https://nobody.example/")


async def warming(turn):
    await turn.sleep(1.0 if turn.strategy.prewarm else 2.0)


async def by_another_client(turn):
    there = turn.endpoint("stripe")
    asked = urllib.request.Request(
        there.base_url + "/v1/payment_intents", urllib.parse.urlencode(CARD).encode(), KEY
    )
    try:
        await asyncio.to_thread(urllib.request.urlopen, asked)
    except OSError:
        return "unknown"
    return "paid"


class Shop:
    @staticmethod
    async def nothing(): ...


def sync(): ...


KEY = {"authorization": "Bearer their-own"}
'''

USUAL = OwnOptions(
    flow="shop_flows.buying:checkout",
    vary=None,
    flows="20",
    rounds="5",
    seed="1",
    clock="virtual",
    rate="50",
    port=None,
    profiles=(),
    capacity=None,
    asking=Asking(quantiles="50"),
    out="results",
    report=False,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that nobody has installed."""
    room = tmp_path_factory.mktemp("project")
    package = room / "shop_flows"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "buying.py").write_text(FLOWS, "utf-8")
    (package / "broken.py").write_text("import no_such_module_at_all\n", "utf-8")
    return room


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return project


Compared = Callable[..., tuple[int, RunSummary, Rows]]


@pytest.fixture
def compared(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Compared:
    def compare(**changed: object) -> tuple[int, RunSummary, Rows]:
        code = compare_function(replace(USUAL, out=str(tmp_path), **changed), as_json=True)  # type: ignore[arg-type]
        capsys.readouterr()
        summary, columns, _ = record.read(record.newest(tmp_path))
        return code, summary, record.rows_of(columns)

    return compare


def test_flags_of_its_own_are_varied_in_paired_arms(compared: Compared) -> None:
    code, summary, rows = compared(vary="early,twice")
    assert code == 0 and summary.valid
    assert [of.name for of in summary.variants] == ["baseline", "twice", "early", "early+twice"]
    assert summary.variants[1].factors == {"early": False, "twice": True}
    assert {of.factor for of in summary.effects} == {"early", "twice", "early:twice"}
    met = {
        of.name: [
            (span.round, span.conversation, span.stage, span.attempt, span.injected_ms)
            for span in rows.spans
            if span.variant == of.name and span.stage == "pay" and span.provider
        ]
        for of in summary.variants
    }
    assert len(met["baseline"]) == 20
    assert all(of == met["baseline"] for of in met.values())


def test_it_says_whose_figures_were_replayed_and_of_nobody_who_was_not_called(
    compared: Compared,
) -> None:
    _, summary, _ = compared()
    assert "stripe" in summary.profiles and "gpt-4o" in summary.profiles
    assert not [name for name in summary.profiles if name.startswith(("claude", "wechat"))]
    assert summary.scenario == USUAL.flow and summary.parameters == {"rate": 50.0}


def test_the_same_command_makes_the_same_rows(compared: Compared) -> None:
    assert compared()[1].rows_sha256 == compared()[1].rows_sha256


def test_values_of_a_keyword_are_compared_with_the_first(compared: Compared) -> None:
    code, summary, _ = compared(vary="model=gpt-4o,gpt-4o-mini")
    assert code == 0 and summary.effects == []
    assert [of.factors for of in summary.variants] == [
        {"model": "gpt-4o"},
        {"model": "gpt-4o-mini"},
    ]
    assert [(of.variant, of.baseline) for of in summary.shifts] == [("gpt-4o-mini", "gpt-4o")]


def test_a_mitigation_is_the_strategy_of_the_turn(compared: Compared) -> None:
    _, summary, _ = compared(flow="shop_flows.buying:warming", vary="prewarm")
    (saved,) = summary.effects
    assert saved.factor == "prewarm" and saved.estimate_ms == pytest.approx(-1000)
    assert [(of.prewarm, of.factors) for of in summary.variants] == [(False, {}), (True, {})]


def test_each_turn_has_a_trace_of_its_own_that_its_place_in_the_run_tells(
    compared: Compared,
) -> None:
    buying = sys.modules.get("shop_flows.buying")
    if buying is not None:
        buying.TRACES.clear()
    _, summary, rows = compared(vary="early")
    traces = [of.split("-")[1] for of in sys.modules["shop_flows.buying"].TRACES]
    assert len(set(traces)) == len(traces) == len(rows.flows) == 40
    told = {
        Trace(number_of(summary.run_id, of.variant, of.round), of.conversation, of.turn)
        for of in rows.flows
    }
    assert {trace_of(trace) for trace in traces} == told


def test_a_certain_answer_ends_it_early(compared: Compared) -> None:
    asking = Asking(quantiles="50", until_certain=True, looks="2")
    code, summary, _ = compared(vary="twice", rounds="10", flows="40", asking=asking)
    assert code == 0 and summary.looks is not None
    assert summary.looks.ended == "certain" and summary.rounds_finished == 5


def problems_of(**changed: object) -> Sequence[str]:
    with pytest.raises(BadInput) as raised:
        compare_function(replace(USUAL, **changed), as_json=True)  # type: ignore[arg-type]
    return raised.value.problems


@pytest.mark.parametrize(
    ("flow", "told"),
    [
        ("shop_flows.buying:nobody", "its async functions are: checkout, elsewhere, warming"),
        ("shop_flows.nothing:checkout", "there is no module 'shop_flows.nothing' in "),
        ("shop_flows.broken:checkout", "cannot be loaded: No module named 'no_such_module_at_all'"),
        ("shop_flows.buying:sync", "sync is no async function: begin it with `async def`"),
        ("shop_flows.buying:KEY", "is no function"),
        ("shop_flows/buying.py::nobody", "has no 'nobody'"),
        ("shop_flows/gone.py::checkout", "is no function of a .py file"),
    ],
)
def test_what_is_no_function_is_told_with_the_mend(here: Path, flow: str, told: str) -> None:
    (problem,) = problems_of(flow=flow)
    assert told in problem


def test_all_that_is_wrong_is_told_at_once(here: Path) -> None:
    given = {"--pay": True, "--set": True, "--jobs": False}
    told = "\n".join(
        problems_of(for_scenarios=given, vary="slow", rounds="0", rate="x", otlp="ftp://a")
    )
    for part in ("--pay is for scenarios", "--set is for", "no such keyword", "--rounds", "--rate"):
        assert part in told
    assert "--otlp must be http://" in told and "--jobs" not in told


def test_what_strikes_our_own_agent_alone_is_refused_for_a_function(here: Path) -> None:
    told = problems_of(faults="lost=1%,revoked=1%,cancels=1%")
    meets = "lost, timeouts, reset, cut, late, duplicates, rate-limits, errors, overloads"
    assert told == [
        f"--faults {fault} strikes calls of our own agent alone; a function meets {meets}"
        for fault in ("revoked", "cancels")
    ]


@pytest.mark.socket
@pytest.mark.thorough
@pytest.mark.parametrize("fault", ["lost", "timeouts"])
def test_on_a_socket_too_a_client_without_a_timeout_waits_for_no_answer_for_ever(
    compared: Compared, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(own_flow, "PATIENCE_S", 1.0)
    _, _, rows = compared(
        flow="shop_flows.buying:by_another_client",
        faults=f"{fault}=100%",
        clock="real",
        flows="3",
        rounds="1",
        rate="2",
    )
    assert [row.outcome for row in rows.flows] == ["unknown"] * 3


def test_a_tolerance_needs_something_that_is_judged(here: Path) -> None:
    asking = Asking(quantiles="50", tolerance="5%", until_certain=True)
    told = problems_of(vary="model=a,b", asking=asking, rounds="10")
    assert [of.split()[0] for of in told] == ["--tolerance", "--until-certain"]


def test_what_cannot_be_played_is_one_line_and_leaves_no_run(here: Path, tmp_path: Path) -> None:
    (told,) = problems_of(flow="shop_flows.buying:elsewhere", out=str(tmp_path))
    assert told.startswith("elsewhere cannot be played: a call goes to nobody.example")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("flows.py::buy", True),
        ("pkg.flows:buy", True),
        ("flows:Shop.buy", True),
        ("conversation", False),
        ("flows.py", False),
        ("pkg/flows:buy", False),
        ("a b:c", False),
    ],
)
def test_a_function_is_known_by_how_it_is_written(text: str, is_one: bool) -> None:
    assert names_function(text) is is_one


def test_a_function_within_a_class_is_found(here: Path) -> None:
    assert callable(load_function("shop_flows.buying:Shop.nothing"))


@pytest.mark.thorough
def test_the_command_plays_it_and_draws_its_report(project: Path) -> None:
    done = tollbench(
        "compare", "shop_flows/buying.py::checkout", "--flows", "40", "--rounds", "5",
        "--vary", "early", cwd=project, report=True,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "early saves" in done.out and "What each flag changes" in done.out
    assert "early" in (done.latest / "report.html").read_text("utf-8")
    refused = tollbench("compare", "--profile", "stripe", cwd=project)
    assert refused.code == 2 and "--profile is for functions" in refused.err
