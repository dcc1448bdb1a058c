"""What holds for the whole suite."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest


def pytest_collection_finish() -> None:
    """Every round that is played begins with a garbage collection, which would walk through all
    that thousands of collected tests hold."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_patched() -> Iterator[None]:
    """Importing Locust patches the whole process for gevent, and with it every time measured."""
    yield
    assert not {"locust", "gevent"} & sys.modules.keys()


@pytest.fixture(scope="session", autouse=True)
def _nobody_has_credentials() -> Iterator[None]:
    """Of real providers: no test asks one because whoever runs it could. Nor do the processes that
    tests start."""
    from harness.real.credentials import NAMES, SEVERAL

    names = {name for of in NAMES.values() for name in (*of.keys, of.base, *of.unused)}
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() & names.union(*SEVERAL.values()):
            patch.delenv(name)
        yield
