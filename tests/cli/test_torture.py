"""`tollbench torture` tells what it met, ends as it should, finds what breaks and replays it."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import torture_pool, torture_run, torture_told, torturing, workers
from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, BadInput
from harness.cli.torture_pool import Tally, play_all, play_numbers
from harness.cli.torture_refreshes import Refreshes
from harness.cli.torture_run import Wanted, run_case, run_torture
from harness.cli.torturing import (
    BUG,
    ONE_REFRESH,
    RIGHT,
    Client,
    Played,
    play,
)
from harness.flow.agent import Agent
from harness.flow.deeds import Deed
from harness.flow.flow import Flow
from harness.flow.payers.careful import Careful
from harness.record import Outcome
from harness.torture.cases import Case, case_of
from harness.torture.draw import Field
from harness.torture.reach import SCENARIOS
from tests.cli.command import environment, tollbench
from tests.torture.broken import NeverAsks, OneAfterTheOther, with_wallets

PAY = "flat,stripe"
AMONG = Field(SCENARIOS, (("flat", "flat"), ("stripe", "stripe")))
UNCLEAR = "checkout/flat/baseline/s1/t1/timeouts@0.pay"


FORKED = pytest.mark.skipif(workers.START != "fork", reason="workers must inherit what is patched")


class Forgetful(Agent):
    async def _end(self, flow: Flow, deed: Deed) -> tuple[str, Outcome]:
        raise KeyError("a bug of the app's own")


@pytest.fixture
def never_asks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app that is played is a broken one."""
    broken = Client(careful=NeverAsks)

    def play_broken(case: Case, client: Client = RIGHT) -> Played:
        return play(case, broken)

    for room in (torture_pool, torture_told, torture_run):
        monkeypatch.setattr(room, "play", play_broken)
    yield


def test_a_run_in_which_all_books_hold_tells_what_struck(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_torture(Wanted(seeds="24", pay=PAY, jobs="1"), as_json=False) == PASS
    told = capsys.readouterr().out
    assert "24 conversations" in told
    assert "no breach: what every app believes is what the books say" in told
    assert max(map(len, told.splitlines())) <= 80


def test_what_was_met_too_seldom_is_named_and_is_exit_code_three(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = Wanted(seeds="8", pay=PAY, jobs="1", least_hits="50")
    assert run_torture(wanted, as_json=False) == INCONCLUSIVE
    assert "lost at intent struck " in capsys.readouterr().out
    assert run_torture(wanted, as_json=True) == INCONCLUSIVE
    told = json.loads(capsys.readouterr().out)
    assert {"fault", "stage", "strategy", "hits"} == told["seldom"][0].keys()
    assert told["conversations"] == 8


def test_what_breaks_is_shrunk_shown_and_replayed(
    never_asks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Wanted(seeds="24", pay=PAY, jobs="1")
    assert run_torture(wanted, as_json=True) == INVALID
    told = json.loads(capsys.readouterr().out)
    first = told["first"]
    assert (first["rule"], told["breaches"]["same end"] > 0) == ("same end", True)
    assert first["replay"] == f"tollbench torture --case '{first['case']}'"
    least = case_of(first["case"], SCENARIOS, ["flat", "stripe"])
    assert (least.turns, least.strategy, len(least.faults)) == (1, "baseline", 1)

    assert run_torture(wanted, as_json=False) == INVALID
    text = capsys.readouterr().out
    assert first["case"] in text and first["why"] in " ".join(text.split())
    assert "turn 0, due at " in text

    assert run_case(first["case"], as_json=False) == INVALID
    assert 'breach of "same end"' in capsys.readouterr().out


def test_the_same_seed_breaks_and_shrinks_alike(
    never_asks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for _ in range(2):
        run_torture(Wanted(seeds="8", pay=PAY, jobs="1", seed="9"), as_json=True)
        told.append(json.loads(capsys.readouterr().out))
    assert told[0]["first"] == told[1]["first"]
    assert told[0]["coverage"] == told[1]["coverage"]


def test_what_a_run_finds_does_not_depend_on_its_processes() -> None:
    here, there = Tally(), Tally()
    play_all(3, AMONG, 1, here, seeds=50)
    play_all(3, AMONG, 2, there, seeds=50)
    assert here == there
    assert here.conversations == 50


def test_chunks_that_end_in_any_order_make_the_same_tally() -> None:
    broken = Client(careful=NeverAsks)
    parts = [play_numbers(1, range(n, n + 8), AMONG, broken) for n in (0, 8, 16)]
    one, other = Tally(), Tally()
    for part in parts:
        one.add(part)
    for part in reversed(parts):
        other.add(part)
    assert one == other
    assert list(one.broken) == sorted(one.broken) != []


def test_an_interrupted_search_for_the_least_tells_what_is_left_by_then(
    never_asks: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What broke must not be lost because somebody does not wait."""
    _interrupt_at(monkeypatch, play_number=5)
    assert run_torture(Wanted(seeds="24", pay=PAY, jobs="1"), as_json=True) == INVALID
    first = json.loads(capsys.readouterr().out)["first"]
    assert (first["rule"], first["whole"]) == ("same end", False)
    assert run_case(first["case"], as_json=False) == INVALID


@pytest.mark.parametrize("as_json", [False, True])
def test_interrupted_before_anything_was_tried_it_tells_what_was_drawn(
    never_asks: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    _interrupt_at(monkeypatch, play_number=1)
    assert run_torture(Wanted(seeds="24", pay=PAY, jobs="1"), as_json=as_json) == INVALID
    told = capsys.readouterr().out
    assert "24 conversations" in told or json.loads(told)["conversations"] == 24
    case = json.loads(told)["first"]["case"] if as_json else told.splitlines()[-1].split("'")[1]
    assert run_case(case, as_json=False) == INVALID


def _interrupt_at(monkeypatch: pytest.MonkeyPatch, *, play_number: int) -> None:
    """Ctrl-C in that play of the search for the least."""
    played: list[Case] = []
    patched: Callable[[Case, Client], Played] = vars(torture_told)["play"]

    def impatient(case: Case, client: Client = RIGHT) -> Played:
        played.append(case)
        if len(played) == play_number:
            raise KeyboardInterrupt
        return patched(case, client)

    monkeypatch.setattr(torture_told, "play", impatient)


@FORKED
def test_a_breach_is_shrunk_alike_whatever_processes_found_it(
    never_asks: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torture_pool, "CHUNK", 5)
    told = []
    for jobs in ("1", "2"):
        wanted = Wanted(seeds="25", pay=PAY, jobs=jobs, seed="3")
        assert run_torture(wanted, as_json=True) == INVALID
        told.append(json.loads(capsys.readouterr().out))
    one, other = told
    assert one["first"] == other["first"] is not None
    assert (one["breaches"], one["coverage"]) == (other["breaches"], other["coverage"])


@FORKED
def test_an_interrupt_ends_a_run_whose_worker_never_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stuck_after_one(base: int, number: int, *rest: object) -> None:
        if number:
            time.sleep(3600)
        rest[-1].conversations += 1  # type: ignore[attr-defined]  # of its tally

    def interrupted(line: object, tally: Tally) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torture_pool, "CHUNK", 1)
    monkeypatch.setattr(torture_pool, "_play_number", stuck_after_one)
    monkeypatch.setattr(workers, "PATIENCE_S", 0.05)
    monkeypatch.setattr(torture_run._Line, "show", interrupted)
    assert run_torture(Wanted(seeds="9", pay=PAY, jobs="2"), as_json=False) == INVALID
    assert capsys.readouterr().out.endswith("interrupted after 1 conversations\n")


@FORKED
def test_a_worker_that_is_killed_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(base: int, number: int, *rest: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(torture_pool, "_play_number", killed)
    assert run_torture(Wanted(seeds="90", pay=PAY, jobs="2"), as_json=False) == INVALID
    assert capsys.readouterr().out.endswith("a worker process was killed after 0 conversations\n")


def test_a_fault_whose_call_is_never_made_is_not_told_as_one_that_struck(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_case("checkout/flat/baseline/s1/t1/lost@0.session", as_json=False) == PASS
    assert "struck: nothing, as no such call was made" in capsys.readouterr().out
    assert run_case(UNCLEAR, as_json=True) == PASS
    told = json.loads(capsys.readouterr().out)
    assert told["struck"] == [{"fault": "timeouts", "stage": "pay", "times": 1}]


def test_a_storm_over_an_app_without_sessions_struck_nothing() -> None:
    for pay, struck in (("flat", {}), ("wechat-ai", {("storms", "intent"): 1})):
        case = case_of(f"checkout/{pay}/baseline/s1/t1/storms@0.intent", SCENARIOS, [pay])
        assert play(case).struck == struck


def test_a_strategy_is_taken_as_other_verbs_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted(seeds="2", pay="flat", jobs="1", strategy="token_cache+prewarm")
    assert run_torture(wanted, as_json=False) == PASS
    assert "under prewarm+token_cache" in capsys.readouterr().out


def test_a_case_whose_books_hold_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_case(UNCLEAR, as_json=False) == PASS
    told = capsys.readouterr().out
    assert "no breach: what the app believes is what the books say" in told
    assert "query" in told


def test_a_bug_is_a_finding_told_apart_from_a_breach() -> None:
    case = case_of(UNCLEAR, SCENARIOS, ["flat"])
    found = play(case, Client(agent=Forgetful)).findings
    assert [of.kind for of in found] == [(BUG, "KeyError")]
    assert "a bug of the app's own" in found[0].trace


def test_what_fails_while_the_books_are_looked_through_is_a_bug_with_its_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def torn(host: object) -> None:
        raise LookupError("a page is missing")

    monkeypatch.setattr(torturing, "accounts", torn)
    played = play(case_of(UNCLEAR, SCENARIOS, ["flat"]))
    assert [of.kind for of in played.findings] == [(BUG, "LookupError")]
    assert (str(played.case), played.struck) == (UNCLEAR, Counter({("timeouts", "pay"): 1}))


@pytest.mark.parametrize(
    ("refreshes", "found"),
    [
        ([(0.0, 1.0), (1.0, 2.0)], []),
        ([(0.0, 1.0), (0.0, 1.0)], [2]),
        ([(0.0, 1.0), (0.5, 3.0), (0.9, 1.5), (4.0, 5.0)], [3]),
    ],
)
def test_refreshes_that_overlap_are_found_however_they_began(
    refreshes: list[tuple[float, float]], found: list[int]
) -> None:
    noted = Refreshes()
    for start, end in refreshes:
        noted.note("0.0.2", "mine", "one", start, end)
    for intent, lane, token in (("0.0.2", "mine", "two"), ("0.0.1", "mine", "one")):
        noted.note(intent, lane, token, 0.0, 9.0)
    assert list(noted.at_once()) == [("0.0.2", "mine", times) for times in found]


def test_a_wallet_that_lets_a_second_refresh_begin_while_the_first_runs_is_caught() -> None:
    text = "tipping/unionpay-ai/token_cache/s1/t2/storms@1.intent"
    case = case_of(text, SCENARIOS, ["unionpay-ai"])
    assert play(case).findings == []
    found = play(case, with_wallets(OneAfterTheOther)).findings
    assert [of.kind for of in found] == [(ONE_REFRESH, "")]


def test_sessions_of_two_methods_may_be_refreshed_at_once() -> None:
    """A refresh of the one that nobody needs any more hangs while the other runs out as well."""
    text = (
        "method_switch/wechat-ai/prewarm+token_cache/s923756674/t2/"
        "revoked@1.pay,timeouts@1.refresh,away@1.39600"
    )
    played = play(case_of(text, SCENARIOS, ["wechat-ai"]))
    assert (played.struck["timeouts", "refresh"], played.findings) == (1, [])


def test_a_client_that_never_ends_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tireless(Careful):
        async def start(self, flow: Flow) -> None:
            while True:
                await self.open_session(flow, "nobody", "balance")

    monkeypatch.setattr(torturing, "MOST_CALLS", 20)
    case = case_of("checkout/wechat-ai/baseline/s1/t1", SCENARIOS, ["wechat-ai"])
    (found,) = play(case, Client(careful=Tireless)).findings
    assert (found.rule, "it never ends" in found.why) == (BUG, True)


def test_a_client_that_waits_for_ever_is_a_bug_told_in_words() -> None:
    class Sleeper(Careful):
        async def start(self, flow: Flow) -> None:
            while True:
                await flow.sleep(86_400.0)

    case = case_of("checkout/wechat-ai/baseline/s1/t1", SCENARIOS, ["wechat-ai"])
    (found,) = play(case, Client(careful=Sleeper)).findings
    assert (found.rule, found.why) == (BUG, "it never ends: more than 190 days went by")


def test_an_order_is_closed_though_nine_tries_in_a_row_fail() -> None:
    text = "conversation/wechatpay/parallel_confirm/s942162443/t1/rate-limits@0.close*9"
    played = play(case_of(text, SCENARIOS, ["wechatpay"]))
    assert played.findings == []
    assert played.struck["rate-limits", "close"] == 9


def test_a_case_is_played_the_same_every_time() -> None:
    text = "method_switch/wechat-ai+stripe/prewarm+token_cache/s7/t2/reset@0.pay,away@1.2678400"
    case = case_of(text, SCENARIOS, ["wechat-ai", "stripe"])
    one, other = play(case), play(case)
    assert [flow.spans for flow in one.flows] == [flow.spans for flow in other.flows]
    assert (one.shown, one.struck) == (other.shown, other.struck)


def test_a_month_passes_before_a_turn() -> None:
    case = case_of("tipping/wechat-ai/token_cache/s1/t2/away@1.2678400", SCENARIOS, ["wechat-ai"])
    played = play(case)
    assert played.flows[1].due - played.flows[0].due > 31 * 86_400
    stages = {span.stage for span in played.flows[1].spans}
    assert "key" in stages
    assert played.findings == []


BAD = [
    (Wanted(seeds="0"), "--seeds must be a whole number"),
    (Wanted(time="ten"), "--time must be as in 90, 10m or 1h"),
    (Wanted(time="0"), "--time must be as in 90, 10m or 1h"),
    (Wanted(pay="paypal"), "--pay: there is no 'paypal'"),
    (Wanted(pay=","), "--pay names nothing"),
    (Wanted(strategy="fast"), "--strategy: unknown mitigation 'fast'"),
    (Wanted(scenario="failover"), "--scenario: there is no 'failover'"),
    (Wanted(jobs="x"), "--jobs must be a whole number"),
    (Wanted(least_hits="-1"), "--least-hits must be a whole number"),
]


@pytest.mark.parametrize(("wanted", "why"), BAD, ids=[why for _, why in BAD])
def test_a_wrong_option_is_told_before_anything_is_played(wanted: Wanted, why: str) -> None:
    with pytest.raises(BadInput) as told:
        run_torture(wanted, as_json=False)
    assert any(problem.startswith(why) for problem in told.value.problems)


def test_a_wrong_case_is_told_in_one_line() -> None:
    with pytest.raises(BadInput) as told:
        run_case("checkout/flat/baseline/s1/t1/oops", as_json=False)
    assert told.value.problems == [
        "--case: 'oops' is not as in timeouts@0.pay, reset@1.pay#2*3 or away@1.900"
    ]


def test_a_case_takes_nothing_that_is_of_a_run() -> None:
    besides = Wanted(seeds="9", least_hits="3", pay="flat")
    with pytest.raises(BadInput) as told:
        run_case(UNCLEAR, as_json=False, besides=besides)
    assert told.value.problems == [
        "--case plays one conversation, so leave out --seeds, --pay, --least-hits"
    ]
    assert run_case(UNCLEAR, as_json=False, besides=Wanted()) == PASS


def test_a_conversation_that_broke_two_rules_is_one_that_broke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    tally = Tally(conversations=9, rules=Counter({"same end": 1, "one capture": 1}), breaking=1)
    torture_run._Line(10).show(tally)
    assert "9 of 10 conversations, 1 broke a rule" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_wrong_case_is_exit_code_two(tmp_path: Path) -> None:
    done = tollbench("torture", "--case", "checkout/flat/baseline/s1/t1/oops", cwd=tmp_path)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--case: 'oops' is not as in timeouts@0.pay" in done.err


def test_for_so_long_as_is_asked_further_numbers_are_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 0.0, 0.0, math.inf])
    monkeypatch.setattr(torture_pool, "time", SimpleNamespace(monotonic=lambda: next(times)))
    monkeypatch.setattr(torture_pool, "CHUNK", 3)
    assert run_torture(Wanted(time="2s", seeds="1", pay=PAY, jobs="1"), as_json=True) == PASS
    assert json.loads(capsys.readouterr().out)["conversations"] == 9


@pytest.mark.thorough
def test_an_interrupted_run_tells_what_was_done(tmp_path: Path) -> None:
    args = ("torture", "--time", "10m", "--pay", PAY, "--jobs", "2")
    terminal, its_end = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *args],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=its_end, text=True,
    ) as running:  # fmt: skip
        os.close(its_end)
        err = b""
        while b"conversations" not in err:  # It tells its progress where somebody sees it.
            err += os.read(terminal, 1024)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate()
        err += os.read(terminal, 65_536)
    os.close(terminal)
    assert running.returncode == INVALID
    assert "interrupted after " in out
    assert b"Traceback" not in err
