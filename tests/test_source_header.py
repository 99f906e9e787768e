"""``source.rewrite`` of ids, labels and dependencies, and ``source.restate`` of the docstring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotRewrite
from flask_chainfix.model.files import Header

FILE = b'''\
"""add users

Revision ID: aaa
Revises: %s
Create Date: 2024-01-01 10:00:00

"""
revision = 'aaa'
down_revision = 'bbb'  # aaa
branch_labels = %s
depends_on = %s


def upgrade():
    print("aaa", "bbb")
'''
PLAIN = FILE % (b"bbb", b"None", b"None")


def test_an_id_changes_in_the_variable_and_the_docstring_and_nowhere_else() -> None:
    expected = PLAIN.replace(b"Revision ID: aaa", b"Revision ID: ccc").replace(
        b"revision = 'aaa'", b"revision = 'ccc'"
    )
    assert source.rewrite(PLAIN, "aaa_users.py", revision="ccc") == expected


def test_labels_and_dependencies_change_alone() -> None:
    data = FILE % (b"bbb", b"('x', 'y')", b'"zzz"')
    after = source.rewrite(data, "a.py", branch_labels=("x2", "y"), depends_on=("z", "w"))
    assert after == FILE % (b"bbb", b"('x2', 'y')", b'("z", "w")')
    assert source.rewrite(data, "a.py", branch_labels=("x", "y")) == data


def test_several_variables_at_once() -> None:
    after = source.rewrite(PLAIN, "a.py", ("ddd",), revision="ccc", branch_labels=("new",))
    header = source.read(after, "a.py")
    assert isinstance(header, Header)
    assert header[:4] == ("ccc", ("ddd",), ("new",), ())
    assert (header.revision_id, header.revises) == ("ccc", "ddd")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PLAIN + b"print(revision)\n", "the module itself uses revision"),
        (PLAIN.replace(b"revision = 'aaa'", b"revision = new_id = 'aaa'", 1), "is shared"),
        (PLAIN.replace(b"'aaa'\n", b"str('aaa')\n", 1), "is computed"),
    ],
)
def test_an_id_that_cannot_be_changed_with_certainty(data: bytes, why: str) -> None:
    with pytest.raises(CannotRewrite, match=why) as refused:
        source.rewrite(data, "aaa_users.py", revision="ccc")
    assert "set revision = 'ccc' in that file by hand" in refused.value.remedy


def test_an_id_that_only_the_name_of_the_file_tells() -> None:
    data = b"down_revision = None\n"
    with pytest.raises(CannotRewrite, match="no line that assigns revision"):
        source.rewrite(data, "1abc.py", revision="ccc")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_any_id_is_read_back(id_: str) -> None:
    data = PLAIN.replace(b"Revision ID: aaa\n", b"")
    header = source.read(source.rewrite(data, "a.py", revision=id_), "a.py")
    assert isinstance(header, Header)
    assert header.revision == id_


@pytest.mark.parametrize(
    ("said", "after"), [(b"", b"bbb"), (b"zzz, yyy", b"bbb"), (b"None", b"bbb")]
)
def test_the_docstring_is_brought_into_step(said: bytes, after: bytes) -> None:
    data = FILE % (said, b"None", b"None")
    assert source.restate(data, "a.py") == FILE % (after, b"None", b"None")


def test_a_docstring_in_step_stays() -> None:
    assert source.restate(PLAIN, "a.py") == PLAIN
    without = PLAIN.replace(b"Revises: bbb\n", b"")
    assert source.restate(without, "a.py") == without


@pytest.mark.parametrize("parents", ["'a', ''", "'a', 'b '", "'b ', 'a, c'"])
def test_a_docstring_that_cannot_name_the_parents_stays(parents: str) -> None:
    """It would be out of step whatever it says."""
    data = PLAIN.replace(b"'bbb'", parents.encode())
    with pytest.raises(CannotRewrite, match=f"no docstring can name {parents}"):
        source.restate(data, "a.py")
