"""``source.same_body``: what a migration does, apart from what it says of itself."""

from __future__ import annotations

import pytest

from flask_chainfix.chain.source.body import does_nothing, same_body, words_in
from tests.support import Rev, migration

PLAIN = b'''\
"""add users"""
from alembic import op

revision = 'a'
down_revision = 'b'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', 'email')


def downgrade():
    op.drop_column('users', 'email')
'''


def changed(*replacements: tuple[bytes, bytes]) -> bytes:
    data = PLAIN
    for old, new in replacements:
        assert old in data
        data = data.replace(old, new)
    return data


SAME = {
    "itself": PLAIN,
    "id": changed((b"'a'", b"'other'")),
    "parents": changed((b"'b'", b"('b', 'c')")),
    "labels": changed((b"branch_labels = None", b"branch_labels = ('x',)")),
    "dependencies": changed((b"depends_on = None", b"depends_on = ['x']")),
    "docstring": changed((b"add users", b"add more")),
    "no docstring": changed((b'"""add users"""\n', b"")),
    "comments": changed((b"op.add", b"# a comment\n    op.add")),
    "quotes": changed((b"'", b'"')),
    "layout": changed((b"'users', 'email'", b"\n        'users',\n        'email'\n    ")),
    "line ends": changed((b"\n", b"\r\n")),
    "annotations": changed((b"revision = 'a'", b"revision: str = 'a'")),
    "no labels": changed((b"branch_labels = None\ndepends_on = None\n", b"")),
    "together": changed(
        (b"branch_labels = None\ndepends_on = None\n", b"branch_labels = depends_on = None\n")
    ),
    "a tuple": changed(
        (b"revision = 'a'\ndown_", b"down_"),
        (b"down_revision = ", b"revision, down_revision = 'a', "),
    ),
}
OTHER = {
    "operation": changed((b"add_column", b"drop_column")),
    "argument": changed((b"'email')\n\n\ndef", b"'name')\n\n\ndef")),
    "more": changed((b"def upgrade", b"NAME = 1\n\n\ndef upgrade")),
    "annotated": changed((b"upgrade()", b"upgrade() -> None")),
    "other names beside": changed((b"revision = 'a'", b"revision = NAME = 'a'")),
    "attributes": changed((b"revision = 'a'", b"revision = 'a'\nop.revision = 1")),
    "broken": PLAIN + b"(",
    "nothing": b"",
}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME)
def test_the_same(other: bytes) -> None:
    assert same_body(PLAIN, other)
    assert same_body(other, PLAIN)


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_another(other: bytes) -> None:
    assert not same_body(PLAIN, other)
    assert not same_body(other, PLAIN)


@pytest.mark.parametrize("data", [b"(", b"\x00", b"<<<<<<< x", b"x = " + b"(" * 500, b"\xff"])
def test_what_does_not_parse_is_the_same_byte_for_byte(data: bytes) -> None:
    assert same_body(data, bytes(data))
    assert not same_body(data, data + b" ")
    assert not same_body(data, b"")


def test_what_python_warns_of_is_no_warning_here() -> None:
    data = PLAIN + b"\nx = '\\d' is '\\d'\n"
    assert same_body(data, data + b"# x\n")


def test_whether_a_file_does_something() -> None:
    assert does_nothing(migration(Rev("a", upgrade=(), downgrade=())))
    assert not does_nothing(migration(Rev("a", upgrade=("op.execute('x')",), downgrade=())))
    assert not does_nothing(migration(Rev("a", upgrade=(), downgrade=("op.execute('x')",))))
    assert does_nothing(b"revision = make()\n")


def test_words() -> None:
    assert words_in(PLAIN) == {b"users", b"email"}
    assert words_in(b"x = ['ab' 'cd', 'a\\n', 'e f', '\xc3\xbc', 1]\nrevision = 'no'\n") == {b"e f"}
    assert words_in(b"(") == frozenset()
