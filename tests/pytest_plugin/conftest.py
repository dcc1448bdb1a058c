"""A user's project; it asserts nothing."""

import pytest

from tests.pytest_plugin.session import User

SURROUNDINGS = (
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_WORKSPACE",
    "PYTEST_XDIST_WORKER",
    "PYTEST_XDIST_WORKER_COUNT",
)
"""What would tell an inner session that it is a part of this one, or of CI."""


@pytest.fixture
def user(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> User:
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    return User(pytester)
