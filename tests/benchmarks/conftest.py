"""Which flows a run of all tests leaves to `make thorough`; with `--benchmark-only` it is none."""

import pytest

ALWAYS = "conversation"
"""The story whose flows every run of the tests plays."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("benchmark_only", False):
        return
    for item in items:
        if _scenario_of(item) not in (None, ALWAYS):
            item.add_marker(pytest.mark.thorough)


def _scenario_of(item: pytest.Item) -> object:
    """The story of one of the flows; None of any other test."""
    if isinstance(item, pytest.Function) and item.originalname == "test_flow":
        return item.callspec.params["scenario"]
    return None
