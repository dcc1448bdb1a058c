"""What all wires share: an endpoint never prints its key, a body of another shape is Malformed."""

import msgspec
import pytest

from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    Unreachable,
    parse,
)


class Shape(msgspec.Struct):
    name: str


def test_an_endpoint_never_prints_its_key() -> None:
    at = Endpoint("http://x/v1", "sk_live_secret")
    assert "secret" not in f"{at} {at!r} {[at]}"


def test_a_path_is_put_behind_the_whole_base() -> None:
    assert str(Endpoint("http://x/v1", "").url("/chat")) == "http://x/v1/chat"


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"{}", b'{"name":1}', b'{"name":"\xff"}', b'{"a":' + b"[" * 100_000],
)
def test_a_body_of_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="not a Shape"):
        parse(body, Shape)


def test_unknown_fields_are_no_fault() -> None:
    assert parse(b'{"name":"a","new":[1,{"x":null}]}', Shape) == Shape("a")


@pytest.mark.parametrize("fault", [Unreachable, Overloaded, Malformed])
def test_every_fault_is_caught_as_a_provider_fault(fault: type[Exception]) -> None:
    assert issubclass(fault, ProviderFault)
