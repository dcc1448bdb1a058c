"""What holds for the whole suite."""

import gc
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
