"""What a cause may hold: names that calls share; nothing of one call alone, no secret."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.call import (
    MOST_CODE,
    MOST_WHAT,
    NOT_SHOWN,
    Malformed,
    Overloaded,
    ProviderFault,
    Unreachable,
    cause,
    code_name,
    fault_of,
    late_fault,
    parse,
)
from tests.providers.test_call import Shape


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (fault_of(429, "429 slow", "rate_limit_error"), "RateLimited 429 rate_limit_error"),
        (fault_of(503), "Overloaded 503"),
        (fault_of(401, code="no_key"), "Unauthorized 401 no_key"),
        (fault_of(418), "Malformed 418"),
        (late_fault(529, "overloaded_error"), "Overloaded overloaded_error: in mid-stream"),
        (late_fault(429, ""), "RateLimited: in mid-stream"),
        (Malformed("a message without text"), "Malformed: a message without text"),
        (Malformed("refused: ACQ.CLOSED"), "Malformed: refused: ACQ.CLOSED"),
        (Malformed("refused: order 8f3a-99c1"), f"Malformed: refused: order {NOT_SHOWN}"),
        (Unreachable("E: 10.0.0.1:80", what="connection refused"),
         "Unreachable: connection refused"),
        (Overloaded(), "Overloaded"),
    ],
)  # fmt: skip
def test_a_cause_is_kind_status_code_and_what_happened(fault: ProviderFault, says: str) -> None:
    assert cause(fault) == says


@pytest.mark.parametrize(
    ("told", "code", "says"),
    [
        ("429 slow", "x", "429 slow"),
        ("", "overloaded_error", "503 overloaded_error"),
        ("", "", "503"),
        ("", "k3y9f8x2", f"503 {NOT_SHOWN}"),
    ],
)
def test_a_fault_reads_as_it_was_told_or_else_by_status_and_code(
    told: str, code: str, says: str
) -> None:
    assert str(fault_of(503, told, code)) == says


@pytest.mark.parametrize(("status", "kept"), [(200, 0), (302, 302), (599, 599), (10**30, 0)])
def test_only_the_status_of_an_error_is_told(status: int, kept: int) -> None:
    assert fault_of(status).status == kept


@pytest.mark.parametrize(
    "code",
    [
        "rate_limit_error", "FREQUENCY_LIMITED", "ACQ.TRADE_HAS_CLOSE", "isv.app-call-limited",
        "40005 isv.app-call-limited", "1300", "A6", "3ds_required", "TLSv1",
        "payment_intent_unexpected_state", "https://x.test/probs/out-of-credit",
    ],
)  # fmt: skip
def test_a_code_as_providers_have_them_is_kept_whole(code: str) -> None:
    assert code_name(code) == code


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("", ""),
        ("same same", "same"),
        ("order_123456", "order_#"),
        ("alice-0", "alice-#"),
        ("2026-11-27", "#-#-#"),
        ("1732720000", "#"),
        ("123456.78", "#.#"),
        ("sk_test_4eC39HqLyjWDarjtT1zdp7dc", NOT_SHOWN),
        ("req_011CSHoEeqs5C35K2UUqR7Fy", NOT_SHOWN),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", NOT_SHOWN),
        ("r0a1c17", NOT_SHOWN),
        ("<script>", NOT_SHOWN),
        ("限流", NOT_SHOWN),
        ("busy\x1b[31m", NOT_SHOWN),
        ("a" * 41, NOT_SHOWN),
        ("busy alice@x.test", f"busy {NOT_SHOWN}"),
    ],
)
def test_what_may_be_an_id_a_key_or_text_is_not_shown(code: str, shown: str) -> None:
    assert code_name(code) == shown


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_provider_writes_a_cause_is_one_short_printable_line(
    code: str, told: str
) -> None:
    for fault in (fault_of(500, told, code), Malformed(told), late_fault(500, code)):
        says = cause(fault)
        assert re.fullmatch("[ -~]+", says)
        assert len(says) < MOST_CODE + MOST_WHAT + 30


@given(st.integers(min_value=100_000), st.sampled_from(["{}", "order-{}", "x_{}_y", "a {} b"]))
def test_faults_that_differ_in_a_number_only_have_one_cause(number: int, code: str) -> None:
    assert str(number) not in cause(fault_of(500, "", code.format(number)))
    assert cause(fault_of(500, "", code.format(number))) == cause(
        fault_of(500, "", code.format(987654))
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b'{"name":"\xff"}', "no JSON"),
        (b'{"a":' + b"[" * 100_000, "no JSON"),
        (b'{"name":"alice-0', "no JSON"),
        (b'{"name":17}', "JSON of another shape"),
        (b"[]", "JSON of another shape"),
    ],
)
def test_a_body_that_cannot_be_read_is_no_json_or_of_another_shape(body: bytes, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(body, Shape)
    assert cause(caught.value) == f"Malformed: {says}"
    with pytest.raises(Malformed) as caught:
        parse(body, Shape, 404)
    assert cause(caught.value) == f"Malformed 404: {says}"
