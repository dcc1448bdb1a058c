"""The functions offered to a model: one set for every wire, read back strictly or not at all."""

import json
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish, major
from harness.providers.chat import ToolCall

Arguments = dict[str, Any]

EXAMPLES: dict[str, tuple[Arguments, AnyWish]] = {
    "authorize_payment": (
        {
            "amount": "45.80",
            "currency": "CNY",
            "payee": "noodles",
            "method": "card",
            "wish": "as heard",
        },
        Wish(4580, "CNY", "noodles", "card"),
    ),
    "refund_payment": (
        {"amount": "0.05", "currency": "CNY", "reference": "txn_1", "wish": "as heard"},
        RefundWish(5, "CNY", "txn_1"),
    ),
    "split_bill": (
        {
            "amount": "100.00",
            "currency": "CNY",
            "payee": "noodles",
            "method": "card",
            "people": ["an", "bo"],
            "wish": "as heard",
        },
        SplitWish(10_000, "CNY", "noodles", "card", ("an", "bo")),
    ),
    "query_payment": ({"reference": "txn_1", "wish": "as heard"}, QueryWish("txn_1")),
}
FIELDS = [(name, field) for name, (arguments, _) in EXAMPLES.items() for field in arguments]
WITH_AMOUNT = [name for name, (arguments, _) in EXAMPLES.items() if "amount" in arguments]

SECRET = "4111111111111111"
"""Stands for whatever a model may write and nobody may see."""


def _read(name: str, arguments: object) -> AnyWish:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return read_wish(ToolCall("call_0", name, text))


def _refused(name: str, arguments: object) -> str:
    """The text of the error, which says no more than which function's schema was broken."""
    with pytest.raises(ValueError, match="the model") as refusal:
        _read(name, arguments)
    # What led to it would be printed with it, with some of what the model wrote: it is cut off.
    printed = "".join(traceback.format_exception(refusal.value))
    assert "During handling" not in printed and "direct cause" not in printed
    return str(refusal.value)


def _broken(name: str) -> str:
    return f"the model broke the schema of {name}"


def test_the_tools_are_these_four_and_none_is_named_for_a_provider() -> None:
    assert [tool.name for tool in TOOLS] == list(EXAMPLES)
    assert len({tool.description for tool in TOOLS}) == 4


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_is_strict_and_has_every_field(tool: Any) -> None:
    schema = json.loads(bytes(tool.parameters))
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == list(EXAMPLES[tool.name][0])
    assert set(schema) == {"type", "properties", "required", "additionalProperties"}
    for field, of in schema["properties"].items():
        assert of["type"] == ("array" if field == "people" else "string")


@pytest.mark.parametrize(("name", "example"), EXAMPLES.items())
def test_what_keeps_the_schema_is_read(name: str, example: tuple[Arguments, AnyWish]) -> None:
    arguments, wish = example
    assert _read(name, arguments) == wish
    assert _read(name, dict(reversed(arguments.items()))) == wish


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_missing_field_breaks_the_schema(name: str, field: str) -> None:
    arguments = {key: value for key, value in EXAMPLES[name][0].items() if key != field}
    assert _refused(name, arguments) == _broken(name)


OTHER_TYPES: list[object] = [None, 45.8, 4580, True, {}, [SECRET, 1], {"a": SECRET}]


@pytest.mark.parametrize("value", OTHER_TYPES)
@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_field_of_another_type_breaks_the_schema(name: str, field: str, value: object) -> None:
    assert _refused(name, EXAMPLES[name][0] | {field: value}) == _broken(name)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("field", ["card_number", "token", SECRET, "", "Amount", "order_no"])
def test_a_field_that_the_schema_does_not_have_breaks_it(name: str, field: str) -> None:
    assert _refused(name, EXAMPLES[name][0] | {field: SECRET}) == _broken(name)


NO_OBJECTS = ["", " ", "null", "[]", '"' + SECRET, "{", '{"amount": ', "\x00", "[" * 9000, "\ud800"]


@pytest.mark.parametrize("text", NO_OBJECTS, ids=lambda text: ascii(text[:10]))
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_no_json_object_breaks_the_schema(name: str, text: str) -> None:
    assert _refused(name, text) == _broken(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_nests_too_deep_breaks_the_schema(name: str) -> None:
    field = next(iter(EXAMPLES[name][0]))
    deep = json.dumps(EXAMPLES[name][0] | {field: 0}).replace("0", "[" * 9000 + "]" * 9000, 1)
    assert _refused(name, deep) == _broken(name)


@pytest.mark.parametrize("cut", [1, 7, 20])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_answer_that_was_cut_off_breaks_the_schema(name: str, cut: int) -> None:
    assert _refused(name, json.dumps(EXAMPLES[name][0])[:-cut]) == _broken(name)


@pytest.mark.parametrize(
    "name", ["", SECRET, "transfer", "Authorize_payment", "authorize_payment "]
)
def test_a_function_that_was_not_offered_is_refused_and_not_named(name: str) -> None:
    told = _refused(name, EXAMPLES["authorize_payment"][0])
    assert told == "the model called a function that was not offered"


def test_one_functions_arguments_are_not_anothers() -> None:
    for name in EXAMPLES:
        for other, (arguments, _) in EXAMPLES.items():
            if other != name:
                assert _refused(name, arguments) == _broken(name)


NO_AMOUNTS = """45.8 45.800 45 .80 45. -45.80 +45.80 4_5.80 45.-8 45,80 4.580 1e2.00 0x1.00 nan"""


@pytest.mark.parametrize(
    "amount",
    [*NO_AMOUNTS.split(), "", " 45.80", "45.80 ", "45.80\n", "\u0664\u0665.80", "9" * 5000 + ".00"],
    ids=lambda amount: repr(amount[:12]),
)
@pytest.mark.parametrize("name", WITH_AMOUNT)
def test_an_amount_of_any_other_form_breaks_the_schema(name: str, amount: str) -> None:
    assert _refused(name, EXAMPLES[name][0] | {"amount": amount}) == _broken(name)


@pytest.mark.parametrize("name", WITH_AMOUNT)
@given(st.integers(0, 10**14))
def test_an_amount_survives_the_way_through_the_model(name: str, amount_minor: int) -> None:
    amount = f"{amount_minor // 100}.{amount_minor % 100:02d}"
    wish = _read(name, EXAMPLES[name][0] | {"amount": amount})
    assert getattr(wish, "amount_minor", None) == amount_minor


@given(st.integers())
def test_an_amount_is_written_with_two_decimals(amount_minor: int) -> None:
    assert major(amount_minor) == f"{amount_minor // 100}.{amount_minor % 100:02d}"


@settings(max_examples=50)
@given(st.sampled_from([*EXAMPLES, "other"]), st.text(max_size=30))
def test_whatever_a_model_writes_is_refused_and_never_repeated(name: str, text: str) -> None:
    assert "!" not in _refused(f"{name}!", text)
    assert "!" not in _refused(name, f"{text}!")


@given(
    st.builds(
        SplitWish,
        st.integers(0, 10**9),
        st.just("CNY"),
        st.text(max_size=9),
        st.text(max_size=9),
        st.lists(st.text(max_size=9), max_size=4).map(tuple),
    )
)
def test_names_come_through_as_they_are(wish: SplitWish) -> None:
    amount = f"{wish.amount_minor // 100}.{wish.amount_minor % 100:02d}"
    arguments = {"amount": amount, "currency": "CNY", "payee": wish.payee, "method": wish.method}
    assert _read("split_bill", arguments | {"people": wish.people, "wish": ""}) == wish
