"""Plays functions side by side on the real clock, against quick mocks; it asserts nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from msgspec import structs

from harness.cli import own_course
from harness.cli.casting import Speaking, Variant
from harness.cli.course import Course
from harness.cli.mock_process import mock_process
from harness.cli.own_compare import Function
from harness.cli.own_course import run_own_rounds
from harness.cli.own_flow import OwnFlow
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from harness.load.engine import Tally
from harness.record import Rows, rows_of
from mocks.host import MockConfig
from tests.cli.own_turn import mocks


@contextmanager
def served_once() -> Iterator[str]:
    """One process of mocks for all runs within; its address."""
    with mock_process(quick()) as url, pytest.MonkeyPatch.context() as patched:
        patched.setattr(own_course, "mock_process", lambda config, port: nullcontext(url))
        yield url


class NoBar:
    def watch(self, tally: Tally) -> None:
        pass


def quick() -> MockConfig:
    """A model that takes some 40 ms, each time other ones, and payments of 30."""
    config = mocks()
    models = {
        name: structs.replace(
            of,
            latency=structs.replace(
                of.latency, ttft_p50_ms=20.0, ttft_p99_ms=40.0, tokens_per_s=2000.0
            ),
        )
        for name, of in config.models.items()
    }
    pay = {
        name: structs.replace(of, overhead=structs.replace(of.overhead, p50_ms=30.0, p99_ms=60.0))
        for name, of in config.pay.items()
    }
    return structs.replace(config, models=models, pay=pay)


def played(*functions: OwnFlow, room: Path, rounds: int = 2, turns: int = 4) -> Rows:
    variants = tuple(Variant(f"way {n}", Strategy(), ()) for n, _ in enumerate(functions))
    setup = Setup(
        scenario=Function(),
        variants=variants,
        clock="real",
        seed=1,
        rounds=rounds,
        turns=turns,
        rate=100.0,
        think_scale=1.0,
        speaking=Speaking(roles={}, models={}),
        mocks=quick(),
    )
    enough: Callable[[Course], bool] = lambda course: True  # noqa: E731
    course = run_own_rounds(setup, functions, "run", NoBar(), room / "room", (), enough)
    if course.stopped:
        raise RuntimeError(course.stopped)
    return rows_of(course.columns())
