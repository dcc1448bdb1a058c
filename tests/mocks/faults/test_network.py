"""What the network does to a call, on every wire: what its client sees, and what the books say."""

from functools import cache

import httpx
import msgspec
import pytest
from msgspec import structs

from harness.answer import RESET, Answer
from harness.clock import VirtualClock, run
from harness.faults import Fault, Shares
from harness.in_process import InProcess
from harness.providers.call import Overloaded, ProviderFault, RateLimited
from harness.providers.trace import TRACEPARENT, Trace, encode_traceparent
from mocks.faults.network import cut, late, reset, silent
from mocks.host import IN_PROCESS_URL, Host, MockConfig
from mocks.setting import OTHER
from tests.mocks.fast import fast_mocks
from tests.mocks.faults.wires import (
    LANES,
    PATIENCE_S,
    SAYS,
    Seen,
    Story,
    chat,
    payment,
    placed,
    told,
)

OFTEN = (("openai", True), ("portkey", False))
"""The models that the default run asks; the others are asked by the thorough one."""
STORIES = [
    *LANES,
    *(of if of in OFTEN else pytest.param(of, marks=pytest.mark.thorough) for of in SAYS),
]
SILENCE = f"no whole answer within {PATIENCE_S:g} s"
RESETS = f"ConnectionResetError: {RESET}"

# What the client is told of the call, and whether it was carried out.
BREAKS: list[tuple[Fault, str, bool]] = [
    ("lost", SILENCE, False),
    ("timeouts", SILENCE, True),
    ("reset", RESETS, True),
    ("cut", RESETS, True),
]
TURNS_AWAY: list[tuple[Fault, type[ProviderFault]]] = [
    ("rate-limits", RateLimited),
    ("overloads", Overloaded),
]


def _story(of: str | tuple[str, bool]) -> Story:
    return payment(of) if isinstance(of, str) else chat(*of)


@cache
def _well(of: str | tuple[str, bool]) -> Seen:
    """Without any fault."""
    return told(_story(of), None)


every_wire = pytest.mark.parametrize("of", STORIES, ids=str)


@every_wire
def test_without_a_fault_all_is_well_and_a_script_of_none_changes_nothing(
    of: str | tuple[str, bool],
) -> None:
    story = _story(of)
    plain, watched = _well(of), told(story, Shares(1, {"lost": 1e-12}))
    assert plain.took == watched.took
    assert (plain.after, plain.served) == (watched.after, 1)
    assert not plain.took.fault
    plain.value()
    if isinstance(of, str):
        assert len(plain.before) < len(plain.after)


@every_wire
@pytest.mark.parametrize(("fault", "says", "done"), BREAKS)
def test_a_call_that_breaks_off_was_carried_out_or_was_not(
    of: str | tuple[str, bool], fault: Fault, says: str, done: bool
) -> None:
    story = _story(of)
    whole, broken = _well(of), told(story, placed(story, fault))
    assert (broken.took.fault, broken.took.status, broken.took.body) == (says, 0, b"")
    assert broken.after == (whole.after if done else whole.before)
    assert broken.served == done
    end_s = {
        "lost": whole.took.start + PATIENCE_S,
        "timeouts": whole.took.start + PATIENCE_S,
        "reset": whole.took.first_byte,
    }.get(fault)
    if end_s is None:
        assert whole.took.first_byte <= broken.took.end <= whole.took.end
    else:
        assert broken.took.end == pytest.approx(end_s, abs=1e-8)
    assert broken.host.setting.strikes_by == {(fault, story.struck.stage): 1}


@every_wire
def test_a_late_answer_is_the_same_answer_and_says_that_it_was_meant_so(
    of: str | tuple[str, bool],
) -> None:
    story = _story(of)
    whole, slow = _well(of).took, told(story, placed(story, "late")).took
    assert (slow.status, slow.body, slow.fault) == (whole.status, whole.body, "")
    later_s = slow.end - whole.end
    assert 5.0 <= later_s <= 40.0
    assert slow.first_byte - whole.first_byte == pytest.approx(later_s)
    assert slow.told and whole.told
    assert slow.told.injected_ms - whole.told.injected_ms == pytest.approx(later_s * 1e3)


@every_wire
def test_a_call_that_comes_twice_is_served_twice_and_its_client_hears_the_first(
    of: str | tuple[str, bool],
) -> None:
    story = _story(of)
    once, twice = _well(of), told(story, placed(story, "duplicates"))
    assert twice.took == once.took
    assert (once.served, twice.served) == (1, 2)
    assert twice.after == once.after
    assert twice.host.setting.trail.trespasses == []


@every_wire
@pytest.mark.parametrize(("fault", "kind"), TURNS_AWAY)
def test_who_is_turned_away_is_told_so_in_the_wires_own_words_and_nothing_is_done(
    of: str | tuple[str, bool], fault: Fault, kind: type[ProviderFault]
) -> None:
    story = _story(of)
    seen = told(story, placed(story, fault))
    with pytest.raises(kind) as refused:
        seen.value()
    assert type(refused.value) is kind
    assert seen.after == seen.before
    assert seen.took.end == pytest.approx(seen.took.start, abs=1e-8)
    assert seen.host.setting.strikes_by == {(fault, story.struck.stage): 1}


@every_wire
def test_a_proxy_that_answers_in_nobodys_words_hides_what_was_done(
    of: str | tuple[str, bool],
) -> None:
    story = _story(of)
    whole, seen = _well(of), told(story, placed(story, "errors"))
    assert (seen.took.status, seen.took.headers["content-type"]) == (500, "text/html")
    assert (seen.took.end, seen.after) == (whole.took.end, whole.after)
    with pytest.raises(Overloaded):
        seen.value()


def test_of_several_faults_each_does_its_part_and_a_connection_breaks_once() -> None:
    story = payment("stripe")
    key = story.struck
    all_but_lost: dict[Fault, float] = {
        "timeouts": 1.0, "reset": 1.0, "cut": 1.0, "late": 1.0, "duplicates": 1.0, "errors": 1.0,
    }  # fmt: skip
    seen = told(story, Shares(1, all_but_lost))
    assert (seen.served, seen.took.fault) == (2, SILENCE)
    noted = [fault for fault, struck in seen.host.setting.struck if struck == key]
    assert noted == ["duplicates", "timeouts"]  # Of what no answer leaves, none is late.
    lost = told(story, Shares(1, {**all_but_lost, "lost": 1.0}))
    assert (lost.served, lost.host.setting.strikes_by) == (0, {("lost", "pay"): 1})


@pytest.mark.parametrize(
    ("ending", "noted"),
    [
        ("timeouts", ["timeouts"]),
        ("reset", ["reset"]),
        ("cut", ["cut", "errors", "late"]),
        ("duplicates", ["duplicates", "errors", "late"]),
    ],
)
def test_an_answer_is_noted_as_late_only_where_it_leaves(ending: Fault, noted: list[Fault]) -> None:
    story = payment("stripe")
    seen = told(story, Shares(1, {"late": 1.0, "errors": 1.0, ending: 1.0}))
    assert [fault for fault, key in seen.host.setting.struck if key == story.struck] == noted


# What is left of an answer

HEAD = {"content-type": "text/plain"}
STREAM = Answer(200, HEAD, [1.0, 2.0, 3.0, 4.0], [b"a", b"b", b"c", b"d"])
WHOLE = Answer(200, HEAD, [2.0], [b"abcd"])
EMPTY = Answer(204, {}, [2.0], [b""])


@pytest.mark.parametrize(
    ("left", "status", "times", "chunks", "ending"),
    [
        (cut(STREAM), 200, [1.0, 2.0, 3.0], [b"a", b"b", b""], "reset"),
        (cut(structs.replace(STREAM, times=[1.0, 2.0], chunks=[b"a", b"b"])),
         200, [1.0, 2.0], [b"a", b""], "reset"),
        (cut(WHOLE), 200, [2.0], [b"ab"], "reset"),
        (cut(EMPTY), 0, [2.0], [b""], "reset"),
        (reset(STREAM), 0, [1.0], [b""], "reset"),
        (reset(WHOLE), 0, [2.0], [b""], "reset"),
        (silent(STREAM), 0, [4.0], [b""], "silence"),
        (late(STREAM, 5.0), 200, [6.0, 7.0, 8.0, 9.0], STREAM.chunks, "whole"),
    ],
)  # fmt: skip
def test_what_is_left_of_an_answer(
    left: Answer, status: int, times: list[float], chunks: list[bytes], ending: str
) -> None:
    assert (left.status, list(left.times), left.chunks, left.ending) == (
        status, times, chunks, ending,
    )  # fmt: skip


# Clients that name no draw


def _foreign(n: int, traced: bool) -> httpx.Request:
    headers = {"authorization": "Bearer sk_test_mock_api_key"}
    if traced:
        headers[TRACEPARENT] = encode_traceparent(Trace(1, 3, n))
    url = f"{IN_PROCESS_URL}/openai/v1/chat/completions"
    body = {"model": "teller", "messages": [{"role": "user", "content": f"hello {n}"}]}
    headers = {**headers, "authorization": "Bearer mock-api-key"}
    return httpx.Request("POST", url, json=body, headers=headers)


def _visits(config: MockConfig, traced: bool, calls: int) -> tuple[list[bool], list[float], Host]:
    """Which calls were answered well, how long each that was took, and the host."""

    async def main() -> tuple[list[bool], list[float], Host]:
        clock = VirtualClock()
        host = Host(clock, config)
        way = InProcess(host.decide, clock)
        seen = [await way.exchange(clock, _foreign(n, traced), 60.0) for n in range(calls)]
        well = [took.status == 200 for took in seen]
        return well, [round(of.end - of.start, 6) for of in seen if of.status == 200], host

    return run("virtual", main())


def _slow() -> MockConfig:
    config = fast_mocks()
    (teller,) = config.models.values()
    latency = structs.replace(teller.latency, ttft_p50_ms=100.0, ttft_p99_ms=900.0)
    models = {"teller": structs.replace(teller, latency=latency)}
    return msgspec.structs.replace(config, models=models)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    "fault", ["lost", "timeouts", "reset", "cut", "rate-limits", "errors", "overloads"]
)
def test_whoever_names_no_draw_meets_faults_of_network_and_service_too(
    fault: Fault, traced: bool
) -> None:
    config = msgspec.structs.replace(fast_mocks(), faults={fault: 0.3})
    well, _, host = _visits(config, traced, 60)
    failed = well.count(False)
    assert 8 <= failed <= 32
    assert host.setting.strikes_by == {(fault, OTHER): failed}


@pytest.mark.parametrize("traced", [False, True])
def test_whoever_names_no_draw_meets_no_fault_of_another_kind(traced: bool) -> None:
    config = msgspec.structs.replace(_slow(), faults={"malformed": 1.0, "skew": 1.0})
    well, _, host = _visits(config, traced, 20)
    assert (all(well), host.setting.strikes_by) == (True, {})


@pytest.mark.parametrize("traced", [False, True])
def test_a_call_that_is_struck_has_the_weather_that_it_would_have_had(traced: bool) -> None:
    calm = _visits(_slow(), traced, 60)[1]
    struck = msgspec.structs.replace(_slow(), faults={"timeouts": 0.3})
    well, times, _ = _visits(struck, traced, 60)
    assert times == [took for took, good in zip(calm, well, strict=True) if good]
    assert _visits(struck, traced, 60)[:2] == (well, times)
    assert 0 < len(times) < 60
