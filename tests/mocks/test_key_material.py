"""Keys and certificates are made once by name, and never again where they are kept."""

import pytest

from mocks import key_material
from mocks.key_material import keep, made


@pytest.fixture(autouse=True)
def _another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_material, "_made", {})
    monkeypatch.setattr(key_material, "_put", [])


def _never() -> str:
    raise AssertionError("it was there")


def test_what_was_made_is_put_down_before_anybody_has_it_and_not_made_again() -> None:
    file: dict[str, str] = {"old": "pem of then"}
    keep(dict(file), file.__setitem__)
    assert made("new", lambda: f"made with {sorted(file)}") == "made with ['old']"
    assert (made("new", _never), made("old", _never)) == (file["new"], "pem of then")


def test_what_cannot_be_put_down_is_nobodys() -> None:
    def full(name: str, pem: str) -> None:
        raise OSError(28, "No space left on device")

    keep({}, full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            made("new", lambda: "pem")


def test_keys_are_not_kept_from_some_moment_on() -> None:
    made("early", lambda: "pem")
    with pytest.raises(AssertionError, match="before anybody said where"):
        keep({}, lambda name, pem: None)
