"""Migration files of every shape, and what Alembic itself makes of each.

``shapes.txt`` is the table: a row for every way in which people (and the odd adversary) write the
header of a migration; what no text shows (bytes, very long files) is here. ``SHAPES`` has them all
as files. ``alembic_reading`` is the oracle: it loads a file exactly as Alembic does and returns the
values that Alembic sees. The tests compare ``source`` with it.

To add a shape, put a row into the group that says how sure a careful human could be of the
header; ``test_source_shapes.test_table_is_true`` checks that claim against Alembic.
"""

from __future__ import annotations

import ast
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from alembic import util
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError, tuple_rev_as_scalar
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.nightly import examples

REVISION = "bbbbbbbbbbbb"
PARENT = "aaaaaaaaaaaa"
OTHER = "cccccccccccc"

VARIABLES = ("revision", "down_revision", "branch_labels", "depends_on")


class Kind(Enum):
    """How sure a careful human can be of the header without running the file."""

    CERTAIN = "every field is plain to see, so none may be None"
    UNCERTAIN = "Alembic gets values, but a reader may say that they are computed"
    BROKEN = "Alembic cannot load it, and that can be seen without running it"
    ONLY_RUNNING = "the header is certain; that the file fails shows only when it runs"
    DEPENDS = "loads or not, depending on the Python that reads it"


class Shape(NamedTuple):
    """One migration file.

    Attributes:
        name: for the test report.
        data: the file.
        kind: what the table claims of it.
        filename: the name that it has on the disk.
        literal: every value of the header stands in the file as one Python literal.
    """

    name: str
    data: bytes
    kind: Kind
    filename: str = "shape.py"
    literal: bool = True


# --- The oracle ----------------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What Alembic makes of a file that it can load.

    The values are as Alembic has them, so not always strings. ``unordered`` names the variables
    that are sets, ``doc`` is the first paragraph of ``longdoc``.
    """

    revision: object
    down_revision: tuple[object, ...]
    branch_labels: tuple[object, ...]
    depends_on: tuple[object, ...]
    unordered: frozenset[str]
    doc: str
    longdoc: str


class Failed(NamedTuple):
    """What Alembic raises on a file that it cannot load."""

    error: BaseException


def alembic_reading(data: bytes, filename: str = "shape.py") -> Loaded | Failed:
    """Load the file as Alembic does, in a directory of its own (so that no ``.pyc`` is stale)."""
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(directory, filename)
        path.write_bytes(data)
        try:
            script = Script._from_path(ScriptDirectory(directory), path)
        except RevisionError:
            # The file is fine, its ids are not (a revision that is its own parent, an `@`).
            return _loaded(util.load_python_file(directory, filename))
        except (Exception, SystemExit) as error:
            return Failed(error)
        assert script is not None, f"Alembic does not look at files called {filename!r}"
        return _loaded(script.module, script)


def _loaded(module: ModuleType, script: Script | None = None) -> Loaded:
    values: dict[str, Any] = {name: getattr(module, name, None) for name in VARIABLES}
    if script is not None:
        values["revision"] = script.revision
        values["down_revision"] = script.down_revision
        values["depends_on"] = script.dependencies
        values["branch_labels"] = script._orig_branch_labels
    longdoc = (module.__doc__ or "").strip() if script is None else script.longdoc
    return Loaded(
        revision=values["revision"],
        down_revision=_ids(values["down_revision"]),
        branch_labels=util.to_tuple(values["branch_labels"], default=()),
        # What is not true is none.
        depends_on=_ids(tuple_rev_as_scalar(util.to_tuple(values["depends_on"])) or None),
        unordered=frozenset(
            name for name in VARIABLES if isinstance(getattr(module, name, None), (set, frozenset))
        ),
        doc=longdoc.split("\n\n")[0],
        longdoc=longdoc,
    )


def _ids(value: Any) -> tuple[object, ...]:
    """What ``Revision.__init__`` keeps of a ``down_revision`` or ``depends_on``, as a tuple."""
    ids: tuple[object, ...] = util.to_tuple(tuple_rev_as_scalar(util.to_tuple(value)), default=())
    return ids


def compile_error(data: bytes) -> Exception | None:
    """Why Python cannot compile the file; ``None`` if it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(data, "shape.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            return error
    return None


def parsed(data: bytes) -> ast.Module:
    """The syntax tree of a file that compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(data)


def _companion() -> ModuleType:
    """A module that shapes can import names from."""
    module = ModuleType("chainfix_companion")
    vars(module).update(
        revision="ffffffffffff",
        down_revision="eeeeeeeeeeee",
        branch_labels="starlabel",
        depends_on="dddddddddddd",
        REV=OTHER,
    )
    return module


sys.modules["chainfix_companion"] = _companion()


# --- How the files are put together --------------------------------------------------------------

DOCSTRING = f'''"""Add users

Revision ID: {REVISION}
Revises: {PARENT}
Create Date: 2024-01-02 03:04:05.678901

"""'''


def migration(
    *,
    top: str = "",
    doc: str = DOCSTRING,
    imports: str = "from alembic import op",
    revision: str = f'revision = "{REVISION}"',
    down: str = f'down_revision = "{PARENT}"',
    rest: str = "branch_labels = None\ndepends_on = None",
    body: str = "    pass",
    end: str = "",
) -> str:
    """A whole migration file in which some part is out of the ordinary."""
    return (
        f"{top}{doc}\n{imports}\n\n\n# revision identifiers, used by Alembic.\n"
        f"{revision}\n{down}\n{rest}\n\n\ndef upgrade():\n{body}\n\n\n"
        f"def downgrade():\n    pass\n{end}"
    )


def _table() -> dict[str, dict[str, str]]:
    """The groups of ``shapes.txt``."""
    characters = str.maketrans({"⏎": "\n", **{chr(0x2400 + code): chr(code) for code in range(33)}})
    groups: dict[str, dict[str, str]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").split("\n"):
        if line.startswith("["):
            rows = groups[line.strip("[]")] = {}
        elif line and not line.startswith("#"):
            name, _, text = line.partition(" ")
            name, _, part = name.partition("@")
            text = text.lstrip(" ").translate(characters)
            rows[name] = migration(**{part: text}) if part else text
    return groups


_TABLE = _table()


def varying(part: str, rows: Mapping[str, str]) -> dict[str, str]:
    """For each row a migration with that text as its ``part``."""
    return {name: migration(**{part: text}) for name, text in rows.items()}


def group(
    prefix: str,
    kind: Kind,
    rows: Mapping[str, str | bytes] | Mapping[str, str],
    *,
    literal: bool = True,
    filename: str = "shape.py",
) -> Iterator[Shape]:
    """The rows as shapes; text is written as UTF-8."""
    for name, text in rows.items():
        data = text.encode("utf-8") if isinstance(text, str) else text
        yield Shape(f"{prefix}-{name}", data, kind, filename, literal)


def named(kind: Kind, rows: Iterable[tuple[str, str, str]]) -> Iterator[Shape]:
    """Shapes in which the file name matters: (name, file name, text)."""
    for name, filename, text in rows:
        yield Shape(f"name-{name}", text.encode(), kind, filename)


# --- The table: down_revision in every spelling --------------------------------------------------

_DOWN = {
    **_TABLE["down"],
    "line_separators": 'down_revision = "a\x0ba\x0ca\x1ca\x85a\u2028a\u2029a"',
    "many": f"down_revision = ({', '.join(repr(f'{i:012x}') for i in range(2000))})",
    "long_id": f'down_revision = "{"a" * 50_000}"',
}

_TYPING = (
    "import typing\nimport typing as t\nfrom collections.abc import Sequence\n"
    "from typing import Annotated, Any, Final, List, Optional, Tuple, Union"
)


_ANNOTATED = {
    name: migration(
        imports=_TYPING,
        revision=f'revision: {annotation} = "{REVISION}"',
        down=f'down_revision: {annotation} = "{PARENT}"',
        rest=f"branch_labels: {annotation} = None\ndepends_on: {annotation} = None",
    )
    for name, annotation in _TABLE["annotations"].items()
}
_ANNOTATED |= {
    "no_spaces": migration(down='down_revision:str="aaaaaaaaaaaa"'),
    "naked_tuple": migration(down='down_revision: tuple = "aaaaaaaaaaaa", "cccccccccccc"'),
    "value_lines": migration(down='down_revision: str | None = (\n    "aaaaaaaaaaaa"\n)'),
}

# --- The table: the other variables --------------------------------------------------------------


_CHAINED = {
    **_TABLE["chained"],
    "parent_and_dependency": migration(down="down_revision = depends_on = None", rest=""),
    "dependency_and_parent": migration(down="depends_on = down_revision = None", rest=""),
    "all_none": migration(down="branch_labels = down_revision = depends_on = None", rest=""),
}

_REVISION = {
    **_TABLE["revision"],
    "long": f'revision = "{"b" * 200}"',
}


# --- The table: docstrings -----------------------------------------------------------------------

_LINES = f"Add users\n\nRevision ID: {REVISION}\nRevises: {PARENT}\nCreate Date: 2024-01-02\n\n"

_DOCSTRINGS = {
    **_TABLE["docstrings"],
    "line_separators": f'"""Add\x0ba\x0cb\x1cc\x1dd\x1ee\x85f\u2028g\n\nRevises: {PARENT}\n"""',
}


_REVISES = {
    "empty": ('"""Add\n\nRevises:\n"""', ""),
    "empty_space": ('"""Add\n\nRevises: \nCreate Date: x\n"""', ""),
    "empty_at_end": ('"""Add\n\nRevises:"""', ""),
    "none": ('"""Add\n\nRevises: None\n"""', "None"),
    "two": ('"""Add\n\nRevises: aaaaaaaaaaaa, cccccccccccc\n"""', "aaaaaaaaaaaa, cccccccccccc"),
    "tight": ('"""Add\n\nRevises:aaaaaaaaaaaa\n"""', PARENT),
    "spaces_around": ('"""Add\n\nRevises: \t aaaaaaaaaaaa \t \n"""', PARENT),
    "tab": ('"""Add\n\nRevises:\taaaaaaaaaaaa\n"""', PARENT),
    "stale": ('"""Add\n\nRevises: eeeeeeeeeeee\n"""', "eeeeeeeeeeee"),
    "absent": ('"""Add\n\nRevision ID: bbbbbbbbbbbb\n"""', None),
    "last_text": ('"""Add\n\nRevises: aaaaaaaaaaaa"""', PARENT),
    "first_text": ('"""Revises: aaaaaaaaaaaa\n"""', PARENT),
    "whole_docstring": ('"""Revises: aaaaaaaaaaaa"""', PARENT),
    "one_quote": ("'Revises: aaaaaaaaaaaa'", PARENT),
    "non_ascii": ('"""Añadir\n\nRevises: été\n"""', "été"),
    "inside_a_sentence": ('"""Add. This Revises: eeeeeeeeeeee\n\nRevises: a\n"""', "a"),
    "only_inside_a_sentence": ('"""Add. This Revises: eeeeeeeeeeee"""', None),
    "form_feed_before": ('"""Add\x0cRevises: x\n\nRevises: aaaaaaaaaaaa\n"""', PARENT),
}

REVISES: dict[str, str | None] = {f"revises-{name}": text for name, (_, text) in _REVISES.items()}
"""What the docstring's ``Revises:`` line says, for the shapes that are about it."""

# --- The table: what stands around a certain header ----------------------------------------------

_AROUND = {
    **_TABLE["around"],
    "blank_lines_first": "\n\n  \n\t\n\x0c\n" + migration(),
    "two_migrations_in_one": migration()
    + migration(
        doc='"""Add accounts\n\nRevises: bbbbbbbbbbbb\n"""',
        revision='revision = "cccccccccccc"',
        down='down_revision = "bbbbbbbbbbbb"',
    ),
}

_DECOYS = {
    **_TABLE["decoys"],
    "function_except": (
        "def f():\n    try:\n        pass\n    except ValueError as revision:\n        pass\n"
        "    for down_revision in ():\n        pass\n    with f() as depends_on:\n        pass"
    ),
    "orm_model": (
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\n\n"
        "Base = declarative_base()\n\n\nclass User(Base):\n    __tablename__ = 'users'\n"
        "    id = sa.Column(sa.Integer, primary_key=True)\n    revision = sa.Column(sa.String)"
    ),
}

_BODY = {
    **_TABLE["body"],
    "long": "\n".join(f"    op.drop_column('t{i}', 'é{i}')" for i in range(500)),
}

# --- The table: values that only running can be sure of ------------------------------------------

_COMPUTED = {
    **_TABLE["computed"],
    "deep_plus": "down_revision = chr(97)" + " + 'a'" * 60,
    "long_plus": "down_revision = 'a'" + " + 'a'" * 400,
}


_GETATTR = """\
def __getattr__(name):
    if name == "branch_labels":
        return "users"
    raise AttributeError(name)
"""


# --- The table: files that Alembic cannot load ---------------------------------------------------

_BROKEN: dict[str, str | bytes] = {
    **_TABLE["broken"],
    "only_bom": b"\xef\xbb\xbf",
    "no_break_space": migration(down='down_revision\u00a0= "aaaaaaaaaaaa"'),
    "zero_width_space": migration(down='\u200bdown_revision = "aaaaaaaaaaaa"'),
    "bom_in_the_middle": migration(down='\ufeffdown_revision = "aaaaaaaaaaaa"'),
    "too_many_brackets": migration(end=f"x = {'(' * 300}1{')' * 300}"),
    "too_much_indentation": migration(
        end="\n".join("  " * depth + "if 1:" for depth in range(120)) + "\n" + "  " * 120 + "pass"
    ),
    "nul": migration().encode() + b"\0",
    "nul_in_docstring": migration(doc='"""Add \0 users"""').encode(),
    "nul_in_comment": migration(end="# \0").encode(),
    "utf_16": migration().encode("utf-16"),
    "utf_16_no_bom": migration().encode("utf-16-le"),
    "utf_32": migration().encode("utf-32"),
    "latin_1_no_cookie": migration(doc='"""Añadir"""').encode("latin-1"),
    "bom_and_latin_1_cookie": b"\xef\xbb\xbf" + migration(top="# coding: latin-1\n").encode(),
    "two_boms": b"\xef\xbb\xbf\xef\xbb\xbf" + migration().encode(),
    "ascii_cookie": migration(top="# coding: ascii\n", doc='"""é"""'),
    "undefined_in_cp1252": migration(top="# coding: cp1252\n", end="# ").encode() + b"\x81",
    "late_cookie": migration(top="#\n#\n# coding: latin-1\n", doc='"""é"""').encode("latin-1"),
    "cookie_after_code": b'x = 1\n# coding: latin-1\nrevision = "\xe9"\ndown_revision = None\n',
}

_DEPENDS: dict[str, str | bytes] = {
    "latin_1_in_comment": migration(end="# é").encode("latin-1"),
    "surrogate_bytes": migration(end="# ").encode() + b"\xed\xa0\x80",
    "overlong_bytes": migration(end="# ").encode() + b"\xc0\x80",
    "deep_concatenation": migration(end="x = 'a'" + " + 'a'" * 20_000),
    "deep_value": migration(down="down_revision = 'a'" + " + 'a'" * 20_000),
    "deep_brackets": migration(down=f"down_revision = {'(' * 190}'a'{')' * 190}"),
    "deep_lists": migration(down=f"down_revision = {'[' * 95}'a'{']' * 95}"),
    "deep_unary": migration(end="x = " + "-" * 20_000 + "1"),
    "deep_attributes": migration(end="def f():\n    x" + ".y" * 20_000),
    "deep_calls": migration(end="def f():\n    x" + "()" * 20_000),
    "many_digits": migration(down="down_revision = " + "9" * 5000),
    "many_digits_in_body": migration(body="    x = " + "9" * 5000),
    "unicode_escape_cookie": migration(
        top="# coding: unicode_escape\n", end="\\x64own_revision = 'cccc'"
    ),
    "raw_unicode_escape_cookie": migration(
        top="# coding: raw_unicode_escape\n", end="\\u0064own_revision = 'cccc'"
    ),
    "utf_7_cookie": migration(top="# coding: utf-7\n", end="+AGQ-own_revision = 'cccc'"),
    "utf_7_value": migration(top="# coding: utf-7\n", down="down_revision = '+AGM-ccc'"),
    "punycode_cookie": migration(top="# coding: punycode\n"),
    "idna_cookie": migration(top="# coding: idna\n"),
    "ebcdic_cookie": migration(top="# coding: cp037\n"),
}

# --- The table: encodings and newlines -----------------------------------------------------------


def _encoded(encoding: str, text: str, cookie: str | None = None) -> bytes:
    """A migration in this encoding with non-ASCII text before, on and after the header's lines."""
    return migration(
        top=f"# -*- coding: {cookie or encoding} -*-\n",
        doc=f'"""{text}\n\nRevision ID: {REVISION}\nRevises: {PARENT}\n"""',
        revision=f'x = "{text}"; revision = "{REVISION}"  # {text}',
        down=f'x = "{text}"; down_revision = "{PARENT}"  # {text}',
        end=f"# {text}",
    ).encode(encoding)


_ENCODED: dict[str, str | bytes] = {
    "utf_8": _encoded("utf-8", "é 日本 😀"),
    "utf_8_alias": _encoded("utf-8", "é 日本 😀", "UTF8"),
    "utf_8_underscore": _encoded("utf-8", "é 日本 😀", "utf_8"),
    "utf_8_unix": _encoded("utf-8", "é 日本 😀", "utf-8-unix"),
    "utf_8_bom": _encoded("utf-8-sig", "é 日本 😀", "utf-8"),
    "utf_8_sig_cookie": _encoded("utf-8", "é 日本 😀", "utf-8-sig"),
    "bom_only": migration().encode("utf-8-sig"),
    "bom_no_docstring": b'\xef\xbb\xbfdown_revision = "a"\nrevision = "b"\n',
    "latin_1": _encoded("latin-1", "é ÿ \x85 \xa0 ¤"),
    "latin_1_alias": _encoded("latin-1", "é ÿ", "latin-1-dos"),
    "iso_8859_15": _encoded("iso-8859-15", "é €"),
    "cp1252": _encoded("cp1252", "é “quotes” € …"),
    "cp1251": _encoded("cp1251", "Привет"),
    "koi8_r": _encoded("koi8-r", "Привет"),
    "shift_jis": _encoded("shift_jis", "表示ソ十 "),
    "euc_jp": _encoded("euc_jp", "日本語"),
    "gbk": _encoded("gbk", "中文字"),
    "big5": _encoded("big5", "中文字"),
    "iso_2022_jp": _encoded("iso-2022-jp", "日本語"),
    "ascii": _encoded("ascii", "plain"),
    "latin_1_id": migration(
        top="# coding: latin-1\n", doc='"""x\n\nRevises: été\n"""', down='down_revision = "été"'
    ).encode("latin-1"),
    "shift_jis_id": migration(top="# coding: shift_jis\n", down='down_revision = "表"').encode(
        "shift_jis"
    ),
    "vim_cookie": migration(top="# vim: set fileencoding=latin-1 :\n", end="# é").encode("latin-1"),
    "second_line_cookie": migration(top="#!/usr/bin/python\n# coding=latin-1\n", end="# é").encode(
        "latin-1"
    ),
    "blank_then_cookie": migration(top="\x0c \n\t# coding: cp1252\n", end="# €").encode("cp1252"),
    "sloppy_cookie": migration(top="# This decoding: latin-1, or so\n", end="# é").encode(
        "latin-1"
    ),
    "first_cookie_wins": migration(top="# coding: latin-1\n# coding: utf-8\n", end="# é").encode(
        "latin-1"
    ),
    "cookie_in_docstring": migration(doc='"""é\n# -*- coding: latin-1 -*-\n"""'),
    "cookie_after_docstring": migration(doc='"""é"""\n# -*- coding: latin-1 -*-'),
    "cookie_on_third_line": migration(top="#\n#\n# coding: latin-1\n", end="# é"),
    "cookie_in_string": migration(doc='"# coding: latin-1 é"'),
}


def _newlines(newline: str) -> dict[str, str | bytes]:
    files = {
        "plain": migration(),
        "tuple": migration(
            doc=f'"""Añadir\n\nRevises: {PARENT}, {OTHER}\n"""',
            down=f'down_revision = (\n    "{PARENT}",  # x\n\n    "{OTHER}",\n)',
        ),
        "backslash": migration(down=f'down_revision = \\\n    "{PARENT}"'),
        "triple": migration(down='down_revision = """aaaa\naaaa"""'),
        "cookie": migration(top="#!x\n# coding: latin-1\n", end="# é\n"),
        "revises_empty": migration(doc='"""Add\n\nRevises:\n"""', down="down_revision = None"),
        "no_final": migration(end="x = 1"),
        "decoy": migration(end=f"x = '''\ndown_revision = '{OTHER}'\n'''\n# x"),
    }
    return {
        name: text.replace("\n", newline).encode("latin-1" if name == "cookie" else "utf-8")
        for name, text in files.items()
    }


_MIXED_NEWLINES = {
    **_TABLE["mixed_newlines"],
    "cr_cr_lf": migration().replace("\n", "\r\r\n"),
    "crlf_form_feed": migration().replace("\n", "\r\n").replace("\n\r\n", "\n\x0c\r\n", 3),
}

# --- The table: file names -----------------------------------------------------------------------

_LEGACY = 'down_revision = "aaaaaaaaaaaa"\n'

_NAMED_CERTAIN = (
    ("legacy", "1abc.py", _LEGACY),
    ("legacy_digits", "0028.py", _LEGACY),
    ("legacy_with_revision", "1abc.py", 'revision = "b"\n' + _LEGACY),
    ("spaces", "b copy (2).py", migration()),
    ("digits_first", "0028_add users: x.py", migration()),
    ("two_dots", "a.b.py", migration()),
    ("non_ascii", "añadir.py", migration()),
    ("looks_like_init", "x__init__.py", migration()),
)
_NAMED_UNCERTAIN = (
    ("legacy_conditional", "1abc.py", _LEGACY + 'if down_revision:\n    revision = "b"\n'),
    ("legacy_deleted", "1abc.py", 'revision = "b"\ndel revision\n' + _LEGACY),
    ("legacy_annotated", "1abc.py", "revision: str\n" + _LEGACY),
    ("legacy_star_import", "1abc.py", "from chainfix_companion import *\n" + _LEGACY),
    ("legacy_import", "1abc.py", "from chainfix_companion import revision\n" + _LEGACY),
    ("legacy_exec", "1abc.py", "exec(\"revision = 'b'\")\n" + _LEGACY),
    (
        "legacy_global",
        "1abc.py",
        'def f():\n    global revision\n    revision = "b"\nf()\n' + _LEGACY,
    ),
)
_NAMED_BROKEN = (
    ("legacy_with_slug", "1abc_add_users.py", _LEGACY),
    ("legacy_capitals", "1ABC.py", _LEGACY),
    ("legacy_not_hex", "xyz.py", _LEGACY),
    ("legacy_two_suffixes", "1abc.py.py", _LEGACY),
    ("legacy_no_down_revision", "1abc.py", "x = 1\n"),
    ("legacy_space", " 1abc.py", _LEGACY),
)

# --- The table: newer Pythons --------------------------------------------------------------------

_PYTHON_312_HARD = {"type_named": "type down_revision = int"}


def _since(version: tuple[int, int], kind: Kind) -> Kind:
    """The claim for a file in the syntax of this version of Python."""
    return kind if sys.version_info >= version else Kind.BROKEN


SHAPES: tuple[Shape, ...] = (
    *group("down", Kind.CERTAIN, varying("down", _DOWN)),
    *group("annotated", Kind.CERTAIN, _ANNOTATED),
    *group("rest", Kind.CERTAIN, varying("rest", _TABLE["rest"])),
    *group("revision", Kind.CERTAIN, varying("revision", _REVISION)),
    *group(
        "unpacked",
        Kind.CERTAIN,
        {name: migration(revision=line, down="") for name, line in _TABLE["unpacked"].items()},
    ),
    *group("chained", Kind.CERTAIN, _CHAINED),
    *group("doc", Kind.CERTAIN, varying("doc", _DOCSTRINGS)),
    *group("doc_hard", Kind.CERTAIN, varying("doc", _TABLE["docstrings_hard"])),
    *group(
        "revises",
        Kind.CERTAIN,
        varying("doc", {name: source for name, (source, _) in _REVISES.items()}),
    ),
    *group("around", Kind.CERTAIN, _AROUND),
    *group("end", Kind.CERTAIN, varying("end", _DECOYS)),
    *group("body", Kind.CERTAIN, varying("body", _BODY)),
    *group("constant", Kind.CERTAIN, _TABLE["constants"], literal=False),
    *group("encoded", Kind.CERTAIN, _ENCODED),
    *group("crlf", Kind.CERTAIN, _newlines("\r\n")),
    *group("cr", Kind.CERTAIN, _newlines("\r")),
    *group("mixed_newlines", Kind.CERTAIN, _MIXED_NEWLINES),
    *group("python311", _since((3, 11), Kind.CERTAIN), varying("end", _TABLE["python_311"])),
    *group("python312", _since((3, 12), Kind.CERTAIN), varying("end", _TABLE["python_312"])),
    *named(Kind.CERTAIN, _NAMED_CERTAIN),
    *group("constant_hard", Kind.UNCERTAIN, _TABLE["constants_hard"], literal=False),
    *group("computed", Kind.UNCERTAIN, varying("down", _COMPUTED), literal=False),
    *group("not_a_string", Kind.UNCERTAIN, varying("down", _TABLE["not_strings"]), literal=False),
    *group(
        "not_a_string", Kind.UNCERTAIN, varying("rest", _TABLE["not_strings_rest"]), literal=False
    ),
    *group(
        "rest_computed", Kind.UNCERTAIN, varying("rest", _TABLE["rest_computed"]), literal=False
    ),
    *group(
        "unpacked_hard",
        Kind.UNCERTAIN,
        {
            name: migration(revision=line, down="", rest="")
            for name, line in _TABLE["unpacked_hard"].items()
        },
        literal=False,
    ),
    *group("rebound", Kind.UNCERTAIN, varying("end", _TABLE["rebindings"]), literal=False),
    *group(
        "mutated",
        Kind.UNCERTAIN,
        {
            name: migration(down='down_revision = ["aaaa"]', end=f"{end}\n")
            for name, end in _TABLE["mutated"].items()
        },
        literal=False,
    ),
    *group(
        "star_import",
        Kind.UNCERTAIN,
        {
            "rest_missing": migration(imports="from chainfix_companion import *", rest=""),
            "header_from_it": "from chainfix_companion import *\n",
        },
        literal=False,
    ),
    *group(
        "revision_odd",
        Kind.UNCERTAIN,
        varying(
            "revision",
            {
                "bytes": "revision = b'bbbb'",
                "tuple": "revision = ('bbbb',)",
                "list": "revision = ['bbbb']",
                "call": "revision = str('bbbb')",
                "imported": "from chainfix_companion import revision",
                "file_name": "import os\nrevision = os.path.basename(__file__)",
                "surrogate": "revision = '\\udcff'",
            },
        ),
        literal=False,
    ),
    *group("python312", _since((3, 12), Kind.UNCERTAIN), varying("end", _PYTHON_312_HARD)),
    *named(Kind.UNCERTAIN, _NAMED_UNCERTAIN),
    *group("broken", Kind.BROKEN, _BROKEN),
    *named(Kind.BROKEN, _NAMED_BROKEN),
    *group("only_running", Kind.ONLY_RUNNING, _TABLE["only_running"]),
    *group("depends", Kind.DEPENDS, _DEPENDS, literal=False),
)


def every(*kinds: Kind) -> Callable[[Callable[[Shape], None]], Callable[[], None]]:
    """Have one test try all shapes of these kinds (of all kinds without any)."""
    return each_of(shape for shape in SHAPES if not kinds or shape.kind in kinds)


def each_of(shapes: Iterable[Shape]) -> Callable[[Callable[[Shape], None]], Callable[[], None]]:
    """Have one test try these shapes: a test for each of thousands would take its time."""

    def of_all(test: Callable[[Shape], None]) -> Callable[[], None]:
        def each() -> None:
            shape = None
            try:
                for shape in chosen:
                    test(shape)
            except Exception as error:
                raise AssertionError(f"the shape {shape and shape.name}") from error

        each.__name__, each.__doc__ = test.__name__, test.__doc__
        return each

    chosen = list(shapes)
    return of_all


# --- Random files ---------------------------------------------------------------------------------

MANY_EXAMPLES = settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


_TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"),
    min_size=1,
    max_size=9,
)
_ID = st.text("0123456789abcdef", min_size=1, max_size=12) | _TEXT


@st.composite
def spelled_strings(draw: st.DrawFn, ids: st.SearchStrategy[str] = _ID) -> str:
    """One id, as a Python string of some style."""
    value = draw(ids)
    spell = draw(st.sampled_from([repr, ascii]))
    middle = draw(st.integers(0, len(value)))
    first, second = spell(value[:middle]), spell(value[middle:])
    styles = [
        spell(value),
        f"({spell(value)})",
        f"(\n    {spell(value)}  # it's \"(\n)",
        f"u{spell(value)}",
        f"\\\n    {spell(value)}",
        f"{first} {second}",
        f"{first}\\\n{second}",
        f"({first} # x\n\n {second})",
        spell(value).replace(spell(value)[0], spell(value)[0] * 3),
    ]
    return draw(st.sampled_from(styles))


@st.composite
def spelled_values(draw: st.DrawFn) -> str:
    """``None``, one id or several ids, as a Python expression."""
    ids = draw(st.lists(spelled_strings(), max_size=3, unique=True))
    if not ids:
        return draw(st.sampled_from(["None", "()", "[]", "(None)", "\\\nNone"]))
    if len(ids) == 1 and draw(st.booleans()):
        return ids[0]
    opening, closing = draw(st.sampled_from(["()", "[]", "{}", ("(\n    ", "\n)"), ("", "")]))
    comma = draw(st.sampled_from([", ", ","] + ([",  # x\n    "] if opening else [])))
    return f"{opening}{comma.join(ids)},{closing}"


@st.composite
def headers(draw: st.DrawFn) -> str:
    """The four variables in some order, spelling and arrangement."""
    annotation = st.sampled_from(["", "", ": str", ": 'str | None'", ":(\n  str\n)"])
    assignment = st.sampled_from([" = ", "=", " \\\n    = ", "\t=\x0c"])
    values = [("revision", spelled_strings()), ("down_revision", spelled_values())]
    values += [("branch_labels", spelled_values())] * draw(st.booleans())
    values += [("depends_on", spelled_values())] * draw(st.booleans())
    lines = [
        f"{name}{draw(annotation)}{draw(assignment)}{draw(value)}"
        for name, value in draw(st.permutations(values))
    ]
    separator = draw(st.sampled_from(["\n", "\n", "; ", "  # 'x\n", "\n\x0c\n", '; z = "é😀"; ']))
    return separator.join(lines)


@st.composite
def docstrings(draw: st.DrawFn) -> str:
    """A docstring like that of ``alembic revision``, more or less, or none."""
    message = draw(_TEXT).replace("\\", "/").replace('"', "'")
    revises = draw(st.sampled_from(["", f"Revises: {PARENT}\n", "Revises:\n", "Revises: a, b\n"]))
    prefix = draw(st.sampled_from(["", "r", "u", "# x\n\n", "\x0c"]))
    quotes = draw(st.sampled_from(['"""', '"""', "'''"]))
    text = f"{message}\n\nRevision ID: {REVISION}\n{revises}Create Date: 2024\n"
    return draw(st.sampled_from(["", f"{prefix}{quotes}{text}{quotes}"]))


_NOT_TO_COMBINE = {
    "delete_other_name",  # breaks the parts that use ``op``
    "soft_keywords",  # breaks the parts that use ``type``
    "used_in_assert",  # fails with any other parent
    "used_as_key",  # fails with any other parent
    "unused_exec",  # beside a call of a function, a careful reader may be unsure
    "unused_method_exec",  # likewise
}
DECOY_ENDINGS = [end for name, end in _DECOYS.items() if name not in _NOT_TO_COMBINE]
REBINDING_ENDINGS = [
    end for name, end in _TABLE["rebindings"].items() if name not in _NOT_TO_COMBINE
]


@st.composite
def files(draw: st.DrawFn, endings: Sequence[str]) -> bytes:
    """A whole file: any encoding, newline, docstring and header, and one of these endings."""
    encoding, cookie = draw(
        st.sampled_from(
            [
                ("utf-8", ""),
                ("utf-8-sig", ""),
                ("utf-8-sig", "# coding: utf-8\n"),
                ("latin-1", "# -*- coding: latin-1 -*-\n"),
                ("cp1252", "#!/usr/bin/python\n# vim: fileencoding=cp1252\n"),
                ("shift_jis", "# coding: shift_jis\n"),
                ("gbk", "# coding=gbk\n"),
            ]
        )
    )
    text = migration(
        top=cookie,
        doc=draw(docstrings()),
        revision=draw(headers()),
        down=draw(st.sampled_from(["", "# é ✓", "'''\ndown_revision = 1\n'''"])),
        rest="",
        end="\n".join(draw(st.lists(st.sampled_from(DECOY_ENDINGS), max_size=2)))
        + "\n"
        + draw(st.sampled_from(endings)),
    )
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return text.replace("\n", newline).encode(encoding, errors="replace")


_INSERTIONS = [
    *(bytes([byte]) for byte in b"\"'\\\n\r\t\x0b\x0c\0 #=:;,.()[]{}*0aN"),
    b'"""',
    b"\xe9",
    b"\xef\xbb\xbf",
    b"\r\n",
    b":=",
    b"+=",
    b"global ",
    b"del ",
    b"if 1:",
    b"if op:\n    ",
    b"down_revision",
    b"def f(): ",
    b"f",
    b"b",
]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """A shape after a few accidents, and its file name."""
    shape = draw(st.sampled_from([shape for shape in SHAPES if len(shape.data) < 2000]))
    data = shape.data
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        accident = draw(st.sampled_from(["delete", "insert", "swap", "repeat"]))
        if accident == "delete":
            data = data[:place] + data[place + draw(st.integers(1, 6)) :]
        elif accident == "insert":
            data = data[:place] + draw(st.sampled_from(_INSERTIONS)) + data[place:]
        else:
            lines = data.splitlines(keepends=True) or [b""]
            one, two = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            if accident == "swap":
                lines[one], lines[two] = lines[two], lines[one]
            else:
                lines.insert(two, lines[one])
            data = b"".join(lines)
    return data, shape.filename
