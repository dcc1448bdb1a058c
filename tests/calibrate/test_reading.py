"""Every kind of recording is known by what it says, and tells its whole calls and no others."""

import base64
import hashlib
import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness import record
from harness.calibrate import Recorder
from harness.calibrate.exchange import Exchange
from harness.calibrate.reading import BadRecording, Sample, Samples, read_samples
from harness.calibrate.samples import BAD_TIME, NO_TIME, UNFINISHED
from harness.record import Rows, columns_of
from tests.record.sample import FLOW, SPAN, SUMMARY

GOLDEN = Path(__file__).parents[1] / "golden"


def _read(tmp_path: Path, content: str | bytes | dict[str, Any]) -> Samples:
    path = tmp_path / "any.name"
    if isinstance(content, dict):
        content = msgspec.json.encode(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_samples(path)


# Our own

CALLED = Exchange(
    started_at="", provider="openai", host="h", method="POST", path="/", stage="intent",
    model="gpt-4o", status=200, first_byte_s=0.2, first_token_s=0.3, total_s=1.5, fresh=True,
    completion_tokens=12,
)  # fmt: skip


def test_a_recording_tells_whole_calls_and_why_the_others_are_none(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with Recorder(path) as recorder:
        for exchange in (
            CALLED,
            structs.replace(CALLED, first_token_s=None, fresh=None),
            structs.replace(CALLED, first_token_s=None, first_byte_s=None, status=204),
            structs.replace(CALLED, fault="connection refused", status=0),
            structs.replace(CALLED, whole=False),
            structs.replace(CALLED, status=429),
            structs.replace(CALLED, held_s=0.5),
        ):
            recorder.take(exchange)
    path.write_bytes(path.read_bytes() + b'{"started_at":"20')
    told = read_samples(path)
    one = Sample(
        stage="intent", provider="openai", model="gpt-4o", first_token_s=0.3, total_s=1.5,
        completion_tokens=12, fresh=True,
    )  # fmt: skip
    assert told.samples == [
        one,
        structs.replace(one, first_token_s=0.2, fresh=False),
        structs.replace(one, first_token_s=1.5, status=204),
    ]
    assert told.skipped == {
        "failed: connection refused": 1, UNFINISHED: 1, "answered 429": 1,
        "held up by its client": 1, "a line that was cut off": 1,
    }  # fmt: skip
    assert (told.kind, told.first_known) == ("recording", True)
    assert told.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_recording_that_was_gone_on_with_is_read_as_one(tmp_path: Path) -> None:
    for _ in range(2):
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            recorder.take(CALLED)
    assert len(read_samples(tmp_path / "calls.jsonl").samples) == 2


def test_a_run_tells_its_calls_as_they_were_seen(tmp_path: Path) -> None:
    local = structs.replace(SPAN, span=1, provider="", stage="sign", status=0)
    failed = structs.replace(SPAN, span=2, status=0)
    columns = columns_of(Rows([FLOW], [SPAN, local, failed]))
    record.write(tmp_path, SUMMARY, columns)
    told = read_samples(tmp_path)
    (sample,) = told.samples
    assert (sample.stage, sample.provider) == (SPAN.stage, SPAN.provider)
    assert (sample.first_token_s, sample.total_s) == (0.75, 1.0)
    assert (told.kind, told.sha256) == ("run", record.sha256(columns))
    assert sum(told.skipped.values()) == 1


# CSV

TABLES: list[tuple[str, list[tuple[str, float, float]]]] = [
    ("ms\n12\n13.5\n", [("", 0.012, 0.012), ("", 0.0135, 0.0135)]),
    ("12\n13.5", [("", 0.012, 0.012), ("", 0.0135, 0.0135)]),
    ("stage,total_ms\npay,250\n", [("pay", 0.25, 0.25)]),
    ("Stage;First Byte (ms);Total (ms)\npay;0,5;1,5\n", [("pay", 0.0005, 0.0015)]),
    ("duration_s\tttft_s\tlabel\n2.5\t0.5\tchat\n", [("chat", 0.5, 2.5)]),
    ("firstTokenMs,durationMs,stage\n5,9,a\n", [("a", 0.005, 0.009)]),
    ("latency_us,x\n1500,y\n", [("", 0.0015, 0.0015)]),
    ('\ufeffstage,elapsed_ms\n"a, b",1\n', [("a, b", 0.001, 0.001)]),
    # Apache JMeter's own columns, in milliseconds; Latency is its time to the first byte.
    ("timeStamp,elapsed,label,responseCode,success,Latency\n1,250,pay,200,true,200\n",
     [("pay", 0.2, 0.25)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "samples"), TABLES)
def test_a_table_is_read_by_the_names_of_its_columns(
    tmp_path: Path, text: str, samples: list[tuple[str, float, float]]
) -> None:
    told = _read(tmp_path, text)
    assert [(s.stage, s.first_token_s, s.total_s) for s in told.samples] == samples
    assert told.kind == "csv"
    assert told.first_known == any(first != total for _, first, total in samples)


def test_a_table_may_tell_more_of_a_call(tmp_path: Path) -> None:
    text = "total_ms,provider,model,tokens,fresh,status\n1,openai,gpt-4o,7,yes,200\n1,a,b,-7,,\n"
    sample, other = _read(tmp_path, text).samples
    assert other.completion_tokens is None
    told = (sample.provider, sample.model, sample.completion_tokens, sample.fresh)
    assert told == ("openai", "gpt-4o", 7, True)


def test_a_row_without_a_time_that_can_be_is_none(tmp_path: Path) -> None:
    rows = ["1,,200", ",,200", "x,,200", "nan,,200", "-1,,200", "inf,,200", "1,2,200", "1,,500"]
    rows += ["1,,inf", "1,,Non HTTP response code: x"]
    told = _read(tmp_path, "\n".join(["total_ms,ttft_ms,status", *rows]))
    assert len(told.samples) == 1
    assert told.skipped == {
        BAD_TIME: 5, NO_TIME: 1, "answered 500": 1, "answered 0": 1, "failed": 1,
    }  # fmt: skip


# HAR


def test_an_archive_of_mitmproxy_is_read() -> None:
    told = read_samples(GOLDEN / "har" / "mitmproxy.har")
    whole, stream, models = told.samples
    assert told.skipped == {"answered 404": 1} and told.kind == "har"
    assert (whole.provider, whole.stage, whole.model) == ("openai", "completions", "gpt-4o")
    assert (whole.fresh, stream.fresh, models.fresh) == (True, False, True)
    assert (whole.completion_tokens, stream.completion_tokens) == (20, 20)
    assert (stream.first_token_s, stream.total_s) == (0.348414183, 0.598454475)


def _entry(timings: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "request": {"method": "GET", "url": "https://api.openai.com/v1/models"},
        "response": {"status": status, "content": {"size": 1}, **more},
        "timings": timings,
    }


WAITED: list[tuple[dict[str, Any], tuple[float, float, bool] | None]] = [
    # As Chrome has them: -1 for what was not, `ssl` within `connect`, its own queue as `blocked`.
    ({"blocked": 90, "dns": 10, "ssl": 20, "connect": 30, "send": 1, "wait": 200, "receive": 50,
      "_blocked_queueing": 80}, (0.241, 0.291, True)),
    ({"blocked": 1, "dns": -1, "ssl": -1, "connect": -1, "send": 1, "wait": 200, "receive": 50},
     (0.201, 0.251, False)),
    # As Firefox does: 0 on a connection that stood open.
    ({"blocked": 0, "dns": 0, "connect": 0, "ssl": 0, "send": 0, "wait": 7, "receive": 0},
     (0.007, 0.007, False)),
    # The least that HAR 1.2 allows.
    ({"send": 0, "wait": 5, "receive": 1}, (0.005, 0.006, False)),
    ({"send": None, "wait": 5, "receive": None}, (0.005, 0.005, False)),
    ({"wait": -1, "receive": 1}, None),
    ({"receive": 1}, None),
]  # fmt: skip


@pytest.mark.parametrize(("timings", "seen"), WAITED)
def test_the_phases_of_an_archive_become_times(
    tmp_path: Path, timings: dict[str, Any], seen: tuple[float, float, bool] | None
) -> None:
    good = _entry({"send": 0, "wait": 1, "receive": 0})
    told = _read(tmp_path, {"log": {"entries": [_entry(timings), good]}})
    sample, *others = told.samples
    assert len(others) == (seen is not None)
    if seen:
        assert (sample.first_token_s, sample.total_s, sample.fresh) == seen
        assert sample.provider == "openai"


def test_an_answer_in_base64_is_looked_into_and_one_of_a_cache_is_none(tmp_path: Path) -> None:
    took = {"send": 0, "wait": 1, "receive": 0}
    body = {"mimeType": "application/json", "encoding": "base64"}
    text = base64.b64encode(b'{"usage":{"completion_tokens":5}}').decode()
    entries = [
        _entry(took, content={**body, "text": text}),
        _entry(took, content={**body, "text": "?"}),
        {**_entry(took), "_fromCache": "disk"},
    ]
    told = _read(tmp_path, {"log": {"entries": entries}})
    assert [sample.completion_tokens for sample in told.samples] == [5, None]
    assert told.skipped == {"answered by the client's own cache": 1}


def test_what_failed_in_an_archive_is_no_sample(tmp_path: Path) -> None:
    took = {"send": 0, "wait": 1, "receive": 0}
    entries = [_entry(took), _entry(took, 0), _entry(took, 200, _error="net::ERR_FAILED"), {}]
    entries.append({**_entry(took), "request": {"url": "data:text/plain,hi"}})
    entries.append({**_entry(took), "request": {"url": "http://[::1"}})
    entries.append({**_entry(took), "request": {"url": "http://xn--/pay"}})
    told = _read(tmp_path, {"log": {"entries": entries}})
    assert [sample.provider for sample in told.samples] == ["openai", "xn--"]
    assert sum(told.skipped.values()) == 5 and told.skipped["failed"] == 2


def test_a_line_that_is_no_archive_does_not_spoil_one(tmp_path: Path) -> None:
    good = {"log": {"entries": [_entry({"send": 0, "wait": 1, "receive": 0})]}}
    lines = b'{"a":1}\n' + msgspec.json.encode(good) + b'\n{"log":{}}\n'
    assert len(_read(tmp_path, lines).samples) == 1


# OTLP


def test_traces_of_an_instrumented_sdk_are_read() -> None:
    told = read_samples(GOLDEN / "otlp" / "openllmetry.json")
    whole, stream, models = told.samples
    assert (told.kind, told.skipped, told.first_known) == ("otlp", {"failed": 1}, True)
    assert (whole.stage, whole.provider, whole.model) == ("chat", "openai", "gpt-4o")
    assert (whole.completion_tokens, stream.completion_tokens) == (20, 20)
    assert whole.first_token_s == whole.total_s == 0.819387831
    assert (stream.first_token_s, stream.total_s) == (0.606168836, 0.611312452)
    assert (models.stage, models.provider, models.completion_tokens) == ("models", "openai", None)


START = 1_722_809_513_563_529_000


def _span(attributes: dict[str, Any], took_ns: int = 2_000_000_000, **more: Any) -> dict[str, Any]:
    kinds = {str: "stringValue", float: "doubleValue", int: "intValue", bool: "boolValue"}
    told = [{"key": k, "value": {kinds[type(v)]: v}} for k, v in attributes.items()]
    return {
        "traceId": "t", "spanId": "s", "name": "ask", "kind": 3, "attributes": told,
        "startTimeUnixNano": str(START), "endTimeUnixNano": str(START + took_ns), **more,
    }  # fmt: skip


def _export(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": list(spans)}]}]}


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
OPENINFERENCE = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini"}
FIRST: list[tuple[dict[str, Any], float]] = [
    (_span({**CHAT, "gen_ai.response.time_to_first_chunk": 0.5}), 0.5),
    (_span({**CHAT, "ai.response.msToFirstChunk": 250}), 0.25),
    (_span(CHAT, events=[{"name": "ai.stream.firstChunk", "timeUnixNano": START + 10**9}]), 1.0),
    (_span(OPENINFERENCE, kind="SPAN_KIND_INTERNAL", events=[
        {"name": "First Token Stream Event", "timeUnixNano": str(START + 467_023_000)}]), 0.467023),
    (_span({**CHAT, "gen_ai.server.ttft": 10**400, "http.status_code": "9" * 400}), 2.0),
    (_span(CHAT, events=[{"name": "exception", "timeUnixNano": START + 10**9}]), 2.0),
    (_span(CHAT), 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("span", "first_s"), FIRST)
def test_a_first_token_is_found_however_it_is_told(
    tmp_path: Path, span: dict[str, Any], first_s: float
) -> None:
    (sample,) = _read(tmp_path, _export(span)).samples
    assert (sample.first_token_s, sample.total_s) == (first_s, 2.0)


SPANS: list[tuple[dict[str, Any], tuple[str, str] | str]] = [
    (_span({"http.request.method": "POST", "http.response.status_code": 200,
            "url.full": "https://api.stripe.com/v1/payment_intents/pi_1/confirm?key=x"}),
     ("confirm", "stripe")),
    (_span({"http.method": "GET", "http.status_code": "200",
            "http.url": "https://example.com/v1/x"}), ("x", "example.com")),
    (_span({"http.request.method": "GET", "server.address": "api.openai.com"}), ("ask", "openai")),
    (_span({**CHAT, "gen_ai.provider.name": "gcp.gemini"}), ("chat", "gemini")),
    (_span({"http.method": "GET", "http.url": "http://xn--/pay"}), ("pay", "xn--")),
    (_span({"http.method": "GET", "http.url": "http://[::1"}), ("ask", "")),
    (_span({"http.request.method": "GET", "http.response.status_code": 503}), "answered 503"),
    (_span({"http.method": "GET", "http.status_code": "503"}), "answered 503"),
    (_span({**CHAT, "error.type": "timeout"}), "failed"),
    (_span(CHAT, status={"code": "STATUS_CODE_ERROR"}), "failed"),
    (_span(CHAT, endTimeUnixNano="0"), UNFINISHED),
    (_span(CHAT, startTimeUnixNano=0), NO_TIME),
    (_span(CHAT, -5), BAD_TIME),
    (_span(CHAT, endTimeUnixNano="9" * 400), UNFINISHED),
    (_span({**CHAT, "gen_ai.server.ttft": -1}), BAD_TIME),
    (_span({"http.request.method": "GET"}, kind=2), "that is no call to a server"),
    (_span({"db.system": "redis"}), "that is no call to a server"),
    (_span({**CHAT, "gen_ai.operation.name": "execute_tool"}), "that is no call to a server"),
]  # fmt: skip


@pytest.mark.parametrize(("span", "seen"), SPANS)
def test_calls_are_told_from_all_other_spans(
    tmp_path: Path, span: dict[str, Any], seen: tuple[str, str] | str
) -> None:
    good = _span({"gen_ai.system": "good"}, spanId="good", startTimeUnixNano=START + 1)
    told = _read(tmp_path, _export(span, good))
    sample, *others = told.samples
    if isinstance(seen, str):
        assert (others, told.skipped) == ([], {seen: 1})
    else:
        assert len(others) == 1 and (sample.stage, sample.provider) == seen


def test_a_call_that_two_libraries_tell_is_one_sample(tmp_path: Path) -> None:
    chat = _span(CHAT, spanId="a")
    between = _span({}, spanId="b", parentSpanId="a", kind=1)
    below = _span({"http.request.method": "POST"}, spanId="c", parentSpanId="b")
    ring = _span(
        {"http.request.method": "POST"}, spanId="d", parentSpanId="d", startTimeUnixNano=START + 1
    )
    told = _read(tmp_path, _export(chat, between, below, ring))
    assert [sample.provider for sample in told.samples] == ["openai", ""]


def test_a_file_of_an_export_a_line_is_read_to_where_it_was_cut_off(tmp_path: Path) -> None:
    line = msgspec.json.encode(_export(_span(CHAT)))
    other = line.replace(b'"s"', b'"s2"')
    told = _read(tmp_path, b"\n".join([line, other, b'{"resourceMetrics":[]}', line[:50]]))
    assert len(told.samples) == 2


# Their order

DAY = "2026-11-27T12:00:"
LINE = {"provider": "p", "host": "h", "method": "GET", "path": "/", "stage": "", "status": 200}
AS_THEY_ENDED: dict[str, str | dict[str, Any]] = {
    "recording": "\n".join(
        ['{"tollbench_recording":1,"tool_version":"","began_at":""}']
        + [
            msgspec.json.encode({**LINE, "started_at": f"{DAY}{at}Z", "total_s": took}).decode()
            for at, took in (("00.000002", 1), ("00.000001", 2), ("00.000000", 3))
        ]
    ),
    "table": f"total_s,started_at\n1,{DAY}02\n2,{DAY}01\n3,{DAY}00Z\n",
    "jmeter": "timeStamp,elapsed,label,responseCode,Latency\n"
    "3,1000,a,200,1\n2,2000,a,200,1\n1,3000,a,200,1\n",
    "archive": {"log": {"entries": [
        {**_entry({"wait": 1000}), "startedDateTime": f"{DAY}02.000Z"},
        {**_entry({"wait": 2000}), "startedDateTime": "2026-11-27T13:00:01.000+01:00"},
        {**_entry({"wait": 3000}), "startedDateTime": f"{DAY}00.000+00:00"},
    ]}},
    "traces": _export(*(
        _span(CHAT, took * 10**9, spanId=str(took), startTimeUnixNano=START - took,
              endTimeUnixNano=START - took + took * 10**9)
        for took in (1, 2, 3)
    )),
}  # fmt: skip


@pytest.mark.parametrize("kind", AS_THEY_ENDED)
def test_calls_come_in_the_order_in_which_they_began(tmp_path: Path, kind: str) -> None:
    told = _read(tmp_path, AS_THEY_ENDED[kind])
    assert [sample.total_s for sample in told.samples] == [3.0, 2.0, 1.0]


def test_calls_of_a_run_come_strategy_by_strategy_as_they_began(tmp_path: Path) -> None:
    spans = [
        structs.replace(SPAN, variant=variant, span=n, start_s=at, first_token_s=10.0, end_s=10.0)
        for n, (variant, at) in enumerate([("b", 4.0), ("a", 6.0), ("b", 2.0), ("a", 8.0)])
    ]
    columns = columns_of(Rows([FLOW, structs.replace(FLOW, variant="b")], spans))
    record.write(tmp_path, SUMMARY, columns)
    assert [one.total_s for one in read_samples(tmp_path).samples] == [4.0, 2.0, 8.0, 6.0]


def test_of_calls_that_began_at_once_the_quick_do_not_come_first(tmp_path: Path) -> None:
    rows = [f"{took},7" for took in range(1, 101)]
    text = "\n".join(["total_s,start", *rows])
    took = [sample.total_s for sample in _read(tmp_path, text).samples]
    assert sorted(took) == [float(n) for n in range(1, 101)]
    assert sum(a < b for a, b in itertools.pairwise(took)) < 70
    assert took == [sample.total_s for sample in _read(tmp_path, text).samples]


def test_calls_stay_as_they_are_where_one_does_not_say_when_it_began(tmp_path: Path) -> None:
    told = _read(tmp_path, "total_s,start\n1,3\n2,\n3,1\n4,then\n")
    assert [sample.total_s for sample in told.samples] == [1.0, 2.0, 3.0, 4.0]


# What is none

NONE: list[tuple[str | bytes, str]] = [
    (b'" "', "is empty"),
    (b",,,\n", "is empty"),
    (b"", "is empty"),
    (b"\n \n", "is empty"),
    (b"\x89PNG\r\n\x1a\n\xff", "is neither text in UTF-8 nor JSON"),
    ('{"hello": 1}', "is JSON, but no recording, HAR or OTLP"),
    ("{not json", "is JSON, but no recording, HAR or OTLP"),
    ("[1, 2]", "is JSON, but no recording, HAR or OTLP"),
    ("latency,stage\n1,a\n", "name it latency_ms or latency_s"),
    ("a,b\nc,d\n", "has no column of times among 'a', 'b': name one total_ms"),
    ("1,2\n3,4\n", "put one first, as in stage,total_ms"),
    (b"a,b\n" + b"x" * 200_000, "is no table that can be read"),
    ("total_ms\n", "has no call that ended whole: record some more"),
    ("total_ms,status\n5,500\n", "has no call that ended whole (1 answered 500)"),
    ('{"log":{"entries":[]}}', "has no call that ended whole"),
    ('{"resourceSpans":[]}', "has no call that ended whole"),
    ('{"tollbench_recording":9}', "has version 9: a newer tollbench reads it"),
]


@pytest.mark.parametrize(("content", "why"), NONE)
def test_what_is_no_recording_is_told_in_one_line(
    tmp_path: Path, content: str | bytes, why: str
) -> None:
    with pytest.raises(BadRecording) as error:
        _read(tmp_path, content)
    assert str(error.value).startswith(f"{tmp_path / 'any.name'} ") and why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_path_of_nothing_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=r"cannot be read \(No such file"):
        read_samples(tmp_path / "nothing")
    with pytest.raises(BadRecording, match="has no run"):
        read_samples(tmp_path)


BEGUN = (b"", b"total_ms\n", b'{"log":{"entries":[', b'{"resourceSpans":[{"scopeSpans":[{"spans":[',
         b'{"tollbench_recording":1,"tool_version":"","began_at":""}\n')  # fmt: skip
_folder: list[Path] = []


@given(st.sampled_from(BEGUN), st.binary(max_size=80))
def test_any_bytes_are_a_recording_or_no_recording(
    tmp_path_factory: pytest.TempPathFactory, begun: bytes, rest: bytes
) -> None:
    if not _folder:
        _folder.append(tmp_path_factory.mktemp("any"))
    try:
        told = _read(_folder[0], begun + rest)
    except BadRecording:
        return
    assert told.samples
