"""What tests of real targets share; it asserts nothing."""

import os

import pytest


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test stops the machine, so none needs to wait until its disk has what is written."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
