"""One comparison that several tests look at; it asserts nothing."""

import pytest

from tests.cli.command import Done, tollbench


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Done:
    cwd = tmp_path_factory.mktemp("compared")
    return tollbench(
        "compare", "--flows", "40", "--rounds", "4", "--jobs", "2", cwd=cwd, report=True
    )
