"""What benchmarks use of pytest-benchmark, whose fixture has no types; it measures nothing."""

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

import pytest

ParamT = ParamSpec("ParamT")
ResultT = TypeVar("ResultT")


class Timed(Protocol):
    """Calls a function as often as it takes to time it, or as it is told to, and returns what it
    returned last."""

    def __call__(
        self, target: Callable[ParamT, ResultT], *args: ParamT.args, **kwargs: ParamT.kwargs
    ) -> ResultT: ...

    def pedantic(
        self, target: Callable[[], ResultT], *, rounds: int, iterations: int
    ) -> ResultT: ...


def timed(group: str) -> pytest.MarkDecorator:
    """Times a test for half a second, in the table of that group. One mark holds it all: of
    several on a test pytest-benchmark sees only the closest."""
    return pytest.mark.benchmark(group=group, max_time=0.5)
