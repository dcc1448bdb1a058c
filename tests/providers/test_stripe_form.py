"""Stripe's form bodies: nested names, both ways, and what is told of a value that is wrong."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from harness.providers.stripe import form
from harness.providers.stripe.form import Unfit


class Inner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    on: bool = False


class Outer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str = ""
    amount: Annotated[int, Meta(ge=1, le=100)]
    how: Literal["fast", "slow", "never"] = "fast"
    tags: dict[str, str] = {}
    words: list[str] = []
    inner: Inner | None = None
    whatever: object = None


TREES: list[tuple[str, dict[str, form.Tree]]] = [
    ("", {}),
    ("a=1&b=", {"a": "1", "b": ""}),
    ("a=1&a=2", {"a": "2"}),
    ("a=x+y%26%E8%8C%B6", {"a": "x y&茶"}),
    ("a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
    ("a%5Bb%5D=1", {"a": {"b": "1"}}),
    ("a[]=1&a[]=2", {"a": ["1", "2"]}),
    ("a[0]=1&a[1]=2", {"a": {"0": "1", "1": "2"}}),
    ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
    ("a[][b]=1", {"a": [{"b": "1"}]}),
    ("a[b]=1&a=2", {"a": "2"}),
    ("a[b=1", {"a[b": "1"}),
    ("[a]=1", {"[a]": "1"}),
    ("=1", {"": "1"}),
]


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_brackets_nest(text: str, tree: dict[str, form.Tree]) -> None:
    assert form.parse(text) == tree


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a=1&a[b]=2", "Invalid object"),
        ("a[]=1&a[b]=2", "Invalid object"),
        ("a[b]=1&a[]=2", "Invalid array"),
        ("a=%ff", "not readable"),
        ("a" + "[b]" * 20 + "=1", "nested too deeply"),
        ("&".join(["a=1"] * 1001), "not readable"),
    ],
)
def test_a_form_that_contradicts_itself_is_unfit(text: str, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        form.parse(text)


READ = [
    ("amount=7", Outer(amount=7)),
    ("amount=7&how=slow", Outer(amount=7, how="slow")),
    ("amount=7&how=", Outer(amount=7)),
    ("amount=7&tags[a]=1&tags[b]=", Outer(amount=7, tags={"a": "1"})),
    ("amount=7&tags=", Outer(amount=7)),
    ("amount=7&words[]=x&words[]=y", Outer(amount=7, words=["x", "y"])),
    ("amount=7&words[1]=y&words[0]=x", Outer(amount=7, words=["x", "y"])),
    ("amount=7&inner[name]=n&inner[on]=true", Outer(amount=7, inner=Inner(name="n", on=True))),
    ("amount=7&whatever[a][b]=1", Outer(amount=7, whatever={"a": {"b": "1"}})),
]


@pytest.mark.parametrize(("text", "told"), READ)
def test_parameters_are_read_as_the_struct_says(text: str, told: Outer) -> None:
    assert form.read(form.parse(text), Outer) == told


UNFIT = [
    ("", "Missing required param: amount.", "amount", "parameter_missing"),
    ("amount=", "You passed an empty string for 'amount'.", "amount", "parameter_invalid_empty"),
    ("amount=ten", "Invalid integer: ten", "amount", "parameter_invalid_integer"),
    ("amount=1.5", "Invalid integer: 1.5", "amount", "parameter_invalid_integer"),
    ("amount=" + "9" * 5000, "Invalid integer: 999", "amount", "parameter_invalid_integer"),
    ("amount=٣", "Invalid integer", "amount", "parameter_invalid_integer"),
    ("amount=0", "must be greater than or equal to 1.", "amount", "parameter_invalid_integer"),
    ("amount=101", "must be less than or equal to 100.", "amount", "parameter_invalid_integer"),
    ("amount[a]=1", "Invalid string", "amount", ""),
    ("amount=1&how=soon", "Invalid how: must be one of fast, never, or slow", "how", ""),
    ("amount=1&foo=1", "Received unknown parameter: foo", "foo", "parameter_unknown"),
    ("amount=1&f=1&g=2", "Received unknown parameters: f, g", "f", "parameter_unknown"),
    ("amount=1&inner[x]=1&inner[name]=n", "parameter: inner[x]", "inner[x]", "parameter_unknown"),
    ("amount=1&inner[on]=true", "Missing required param", "inner[name]", "parameter_missing"),
    ("amount=1&inner[name]=n&inner[on]=yes", "Invalid boolean: yes", "inner[on]", ""),
    ("amount=1&inner=x", "Invalid object", "inner", ""),
    ("amount=1&words=x", "Invalid array", "words", ""),
    ("amount=1&tags=x", "Invalid object", "tags", ""),
    ("amount=1&tags[a][b]=x", "Metadata values must be strings.", "tags[a]", ""),
    ("amount=1&tags[" + "k" * 41 + "]=x", "up to 40 characters", "tags", ""),
    ("amount=1&tags[a]=" + "v" * 501, "up to 500 characters", "tags", ""),
    ("amount=1&" + "&".join(f"tags[{n}]=x" for n in range(51)), "up to 50 keys", "tags", ""),
    ("amount=1&inner[name]=" + "n" * 5001, "at most 5000 characters", "inner[name]", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says", "param", "code"), UNFIT)
def test_a_bad_parameter_is_named_with_what_is_wrong_with_it(
    text: str, says: str, param: str, code: str
) -> None:
    with pytest.raises(Unfit) as caught:
        form.read(form.parse(text), Outer)
    assert says in caught.value.message
    assert (caught.value.param, caught.value.code) == (param, code)


def test_what_stands_in_the_path_is_no_parameter() -> None:
    assert form.read({"amount": "7"}, Outer, {"id": "pi_1"}) == Outer(amount=7, id="pi_1")
    with pytest.raises(Unfit, match="unknown parameter: id"):
        form.read({"amount": "7", "id": "pi_2"}, Outer, {"id": "pi_1"})
    assert form.write(Outer(amount=7, id="pi_1"), ["id"]) == "amount=7"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
outers = st.builds(
    Outer,
    amount=st.integers(1, 100),
    how=st.sampled_from(["fast", "slow", "never"]),
    tags=st.dictionaries(st.text("abc _.é", min_size=1, max_size=5), texts, max_size=3),
    words=st.lists(texts, max_size=3),
    inner=st.none() | st.builds(Inner, name=texts, on=st.booleans()),
)


@settings(max_examples=50)
@given(outers)
def test_what_one_side_writes_the_other_reads(told: Outer) -> None:
    assert form.read(form.parse(form.write(told)), Outer) == told


@settings(max_examples=50)
@given(st.text(max_size=60) | st.lists(st.sampled_from("a[]=&%0+1"), max_size=30).map("".join))
def test_no_text_raises_anything_but_unfit(text: str) -> None:
    try:
        form.read(form.parse(text), Outer)
    except Unfit as unfit:
        assert unfit.message
