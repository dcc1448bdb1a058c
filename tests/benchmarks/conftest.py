"""Which flows a run of all tests leaves to `make thorough`; with `--benchmark-only` it is none."""

import pytest

ALWAYS = ("conversation", ("baseline", "prewarm+token_cache+parallel_confirm"))
"""The story, and the strategies, that every run of the tests plays."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("benchmark_only", False):
        return
    for item in items:
        if _is_left(item):
            item.add_marker(pytest.mark.thorough)


def _is_left(item: pytest.Item) -> bool:
    """Of the flows; of other tests none is."""
    if not isinstance(item, pytest.Function) or item.originalname != "test_flow":
        return False
    story, strategies = ALWAYS
    params = item.callspec.params
    return params["scenario"] != story or params["strategy"] not in strategies
