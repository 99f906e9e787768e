"""Which of the known ids somebody may have meant."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.common.wording import close_ids

KNOWN = ("3f1c2a9b7d04", "8a6e0d4c51f2", "c27b95e1a830", "d40a7e86b3c5")


@pytest.mark.parametrize(
    ("id_", "known", "expected"),
    [
        ("3F1C2A9B7D04", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a9b7d04 ", KNOWN, ("3f1c2a9b7d04",)),
        ("\t3F1C2a9b7d04\n", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a9b7d04", (" 3f1c2a9b7d04",), (" 3f1c2a9b7d04",)),
        ("Straße", ("STRASSE",), ("STRASSE",)),
        ("3f1c", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a9b7d04_add_users_phone_and_more", KNOWN, ("3f1c2a9b7d04",)),
        ("3F1C", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1", ("3f1a00000000", "3f1b00000000"), ()),
        ("3f1c2a9b7d05", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a97bd04", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a9bd04", KNOWN, ("3f1c2a9b7d04",)),
        ("3f1c2a9b7d0", ("3f1c2a9b7d0_", "3f1c2a9b7dx"), ("3f1c2a9b7d0_", "3f1c2a9b7dx")),
        ("add_user", ("add_users", "ADD_USER"), ("ADD_USER", "add_users")),
        ("000000000000", KNOWN, ()),
        ("0005", ("0004", "0003"), ()),
        ("", KNOWN, ()),
        (" ", (*KNOWN, ""), ()),
        ("a", ("", " ", "b"), ()),
        ("a", (), ()),
    ],
)
def test_the_nearest_first(id_: str, known: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert close_ids(id_, known) == expected


def test_at_most_three() -> None:
    assert len(close_ids("abcdefghijkl", [f"abcdefghijk{letter}" for letter in "mnopqr"])) == 3


def test_an_id_is_not_close_to_itself() -> None:
    assert close_ids("3f1c2a9b7d04", KNOWN) == ()


def test_ids_made_at_random_are_not_close() -> None:
    made = random.Random(7)
    known = [f"{made.getrandbits(48):012x}" for _ in range(2000)]
    assert not any(close_ids(f"{made.getrandbits(48):012x}", known) for _ in range(20))


@given(st.text(), st.lists(st.text()))
def test_any_text(id_: str, known: list[str]) -> None:
    found = close_ids(id_, known)
    assert set(found) <= set(known) - {id_}
    assert len(set(found)) == len(found) <= 3
    assert found == close_ids(id_, reversed(known))
