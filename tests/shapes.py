"""Migration files of every shape, and what Alembic itself makes of each.

``SHAPES`` is the table: one named file for every way in which people (and the odd adversary)
write the header of a migration. ``alembic_reading`` is the oracle: it loads a file exactly as
Alembic does and returns the values that Alembic sees. The tests compare ``source`` with it.

To add a shape, put a row into the group that says how sure a careful human could be of the
header; ``test_source_shapes.test_table_is_true`` checks that claim against Alembic.
"""

from __future__ import annotations

import ast
import os
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
    "plain": 'down_revision = "aaaaaaaaaaaa"',
    "single_quotes": "down_revision = 'aaaaaaaaaaaa'",
    "none": "down_revision = None",
    "no_spaces": "down_revision='aaaaaaaaaaaa'#x",
    "many_spaces_and_tabs": 'down_revision \t=\t  "aaaaaaaaaaaa"  \t ',
    "comment": 'down_revision = "aaaaaaaaaaaa"  # was "cccccccccccc"',
    "comment_with_assignment": "down_revision = 'aaaaaaaaaaaa'  # down_revision = 'cccccccccccc'",
    "comment_with_open_quote": 'down_revision = None  # don\'t """ touch',
    "comment_with_backslash": 'down_revision = "aaaaaaaaaaaa"  # C:\\',
    "type_ignore": 'down_revision = "aaaaaaaaaaaa"  # type: ignore[assignment]  # noqa: E501',
    "type_comment": 'down_revision = "aaaaaaaaaaaa"  # type: Optional[str]',
    "hash_in_string": 'down_revision = "aaaa#aaaa"',
    "tuple_two": 'down_revision = ("aaaaaaaaaaaa", "cccccccccccc")',
    "tuple_one": 'down_revision = ("aaaaaaaaaaaa",)',
    "tuple_empty": "down_revision = ()",
    "tuple_trailing_comma": 'down_revision = ("aaaaaaaaaaaa", "cccccccccccc",)',
    "tuple_naked": 'down_revision = "aaaaaaaaaaaa", "cccccccccccc"',
    "tuple_naked_one": 'down_revision = "aaaaaaaaaaaa",',
    "tuple_naked_comment": 'down_revision = "aaaaaaaaaaaa",  # one',
    "tuple_same_twice": 'down_revision = ("aaaaaaaaaaaa", "aaaaaaaaaaaa")',
    "tuple_lines": 'down_revision = (\n    "aaaaaaaaaaaa",\n    "cccccccccccc",\n)',
    "tuple_comments": (
        'down_revision = (  # merge (of two)\n    "aaaaaaaaaaaa",  # the "first"\n'
        '    # "eeeeeeeeeeee",\n    "cccccccccccc"  # )\n)  # end'
    ),
    "tuple_column_zero": 'down_revision = (\n"aaaaaaaaaaaa",\n"cccccccccccc")',
    "list": 'down_revision = ["aaaaaaaaaaaa", "cccccccccccc"]',
    "list_one": 'down_revision = ["aaaaaaaaaaaa"]',
    "list_empty": "down_revision = []",
    "set_one": 'down_revision = {"aaaaaaaaaaaa"}',
    "set_two": 'down_revision = {"aaaaaaaaaaaa", "cccccccccccc"}',
    "set_same_twice": 'down_revision = {"aaaaaaaaaaaa", "aaaaaaaaaaaa"}',
    "brackets": 'down_revision = ("aaaaaaaaaaaa")',
    "brackets_none": "down_revision = (None)",
    "brackets_lines": 'down_revision = (\n    "aaaaaaaaaaaa"  # (x)\n)',
    "brackets_many": f'down_revision = {"(" * 40}"aaaaaaaaaaaa"{")" * 40}',
    "brackets_of_tuple": 'down_revision = (("aaaaaaaaaaaa", "cccccccccccc"))',
    "backslash": 'down_revision = \\\n    "aaaaaaaaaaaa"',
    "backslash_everywhere": 'down_revision \\\n\\\n= \\\n"aaaaaaaaaaaa"',
    "backslash_in_string": 'down_revision = "aaaaaa\\\naaaaaa"',
    "backslash_between_parts": 'down_revision = "aaaaaa" \\\n    "aaaaaa"',
    "triple_double": 'down_revision = """aaaaaaaaaaaa"""',
    "triple_single": "down_revision = '''aaaaaaaaaaaa'''",
    "triple_with_lines": 'down_revision = """aaaa\naaaa"""',
    "implicit_concatenation": 'down_revision = "aaaaaa" "aaaaaa"',
    "implicit_concatenation_lines": "down_revision = (\n    \"aaaaaa\"  # half\n    'aaaaaa'\n)",
    "u_string": "down_revision = u'aaaaaaaaaaaa'",
    "capital_u_string": "down_revision = U'aaaaaaaaaaaa'",
    "r_string": "down_revision = r'aaaaaaaaaaaa'",
    "r_string_backslash": "down_revision = r'aaaa\\x61'",
    "escapes": "down_revision = '\\x61\\u0061\\141\\N{LATIN SMALL LETTER A}'",
    "escaped_quotes": "down_revision = 'it\\'s \"a\"'",
    "line_separators": 'down_revision = "a\x0ba\x0ca\x1ca\x85a\u2028a\u2029a"',
    "spaces_in_id": 'down_revision = " aaaaaaaaaaaa "',
    "empty_id": 'down_revision = ""',
    "non_ascii_id": 'down_revision = "été_😀"',
    "digits": 'down_revision = "0028"',
    "name_like_id": 'down_revision = "None"',
    "at_sign": 'down_revision = "branch@head"',
    "its_own_parent": f'down_revision = "{REVISION}"',
    "semicolons": 'x = 1; down_revision = "aaaaaaaaaaaa"; y = "z"',
    "semicolon_at_end": 'down_revision = "aaaaaaaaaaaa";',
    "semicolon_tight": 'x="é";down_revision="aaaaaaaaaaaa";y=2',
    "non_ascii_before": 'x = "日本語 😀"; down_revision = "aaaaaaaaaaaa"  # é',
    "form_feed_before": '\x0cdown_revision = "aaaaaaaaaaaa"',
    "form_feed_around": 'down_revision\x0c =\x0c "aaaaaaaaaaaa"\x0c',
    "twice": 'down_revision = "cccccccccccc"\ndown_revision = "aaaaaaaaaaaa"',
    "twice_same_line": 'down_revision = "cccccccccccc"; down_revision = "aaaaaaaaaaaa"',
    "twice_same_value": 'down_revision = "aaaaaaaaaaaa"\ndown_revision = "aaaaaaaaaaaa"',
    "bare_annotation_first": 'down_revision: str\ndown_revision = "aaaaaaaaaaaa"',
    "if_then_surely": (
        'if op is None:\n    down_revision = "cccccccccccc"\ndown_revision = "aaaaaaaaaaaa"'
    ),
    "import_then_surely": 'import os as down_revision\ndown_revision = "aaaaaaaaaaaa"',
    "comparison_decoy": 'down_revision = "aaaaaaaaaaaa"\nx = down_revision == "cccccccccccc"',
    "many": f"down_revision = ({', '.join(repr(f'{i:012x}') for i in range(2000))})",
    "long_id": f'down_revision = "{"a" * 50_000}"',
}

_TYPING = (
    "import typing\nimport typing as t\nfrom collections.abc import Sequence\n"
    "from typing import Annotated, Any, Final, List, Optional, Tuple, Union"
)

_ANNOTATIONS = {
    "str": "str",
    "string": '"str"',
    "string_union": "'Union[str, None] = 1'",
    "optional": "Optional[str]",
    "union": "Union[str, None]",
    "union_reversed": "Union[None, str]",
    "union_sequence": "Union[str, Sequence[str], None]",
    "bar": "str | None",
    "bar_reversed": "None | str",
    "bar_sequence": "str | Sequence[str] | None",
    "typing_module": "typing.Optional[str]",
    "typing_alias": "t.Union[str, t.Sequence[str], None]",
    "final": "Final[str]",
    "final_bare": "Final",
    "any": "Any",
    "tuple": "Tuple[str, ...]",
    "annotated": "Annotated[str, \"down_revision = 'cccccccccccc'\"]",
    "lines": "Union[\n    str,\n    Sequence[str],  # a = b\n    None,\n]",
    "brackets": "(\n    str\n    | None\n)",
    "backslash": "str \\\n    | None",
}

_ANNOTATED = {
    name: migration(
        imports=_TYPING,
        revision=f'revision: {annotation} = "{REVISION}"',
        down=f'down_revision: {annotation} = "{PARENT}"',
        rest=f"branch_labels: {annotation} = None\ndepends_on: {annotation} = None",
    )
    for name, annotation in _ANNOTATIONS.items()
}
_ANNOTATED |= {
    "no_spaces": migration(down='down_revision:str="aaaaaaaaaaaa"'),
    "naked_tuple": migration(down='down_revision: tuple = "aaaaaaaaaaaa", "cccccccccccc"'),
    "value_lines": migration(down='down_revision: str | None = (\n    "aaaaaaaaaaaa"\n)'),
}

# --- The table: the other variables --------------------------------------------------------------

_REST = {
    "missing": "",
    "labels_missing": "depends_on = None",
    "chained": "branch_labels = depends_on = None",
    "label": 'branch_labels = "users"\ndepends_on = None',
    "label_tuple": 'branch_labels = ("users",)\ndepends_on = None',
    "labels": "branch_labels = ('users', 'accounts')\ndepends_on = None",
    "label_list": "branch_labels = ['users']\ndepends_on = []",
    "label_set": "branch_labels = {'users', 'accounts'}\ndepends_on = None",
    "label_empty": "branch_labels = ''\ndepends_on = ()",
    "depends": "branch_labels = None\ndepends_on = 'cccccccccccc'",
    "depends_empty": "branch_labels = None\ndepends_on = ''",
    "depends_empty_in_tuple": "branch_labels = None\ndepends_on = ('',)",
    "depends_two": "branch_labels = None\ndepends_on = 'cccccccccccc', 'dddddddddddd'",
    "depends_lines": "branch_labels = None\ndepends_on = [\n    'cccccccccccc',\n    'users',\n]",
    "depends_on_itself": f"branch_labels = None\ndepends_on = '{REVISION}'",
    "depends_first": 'depends_on = None\nbranch_labels = ("x")',
    "twice": "branch_labels = 'x'\nbranch_labels = None\ndepends_on = None",
}

_CHAINED = {
    "parent_and_dependency": migration(down="down_revision = depends_on = None", rest=""),
    "dependency_and_parent": migration(down="depends_on = down_revision = None", rest=""),
    "all_none": migration(down="branch_labels = down_revision = depends_on = None", rest=""),
    "rebound_later": migration(down="down_revision = depends_on = None"),
}

_REVISION = {
    "unquoted_style": "revision='bbbbbbbbbbbb'",
    "brackets": 'revision = ("bbbbbbbbbbbb")',
    "triple": 'revision = """bbbbbbbbbbbb"""',
    "two_parts": 'revision = "bbbbbb" "bbbbbb"',
    "illegal_characters": 'revision = "bb@bb:bb+bb-bb"',
    "empty": 'revision = ""',
    "long": f'revision = "{"b" * 200}"',
    "non_ascii": 'revision = "données"',
    "twice": 'revision = "cccccccccccc"\nrevision = "bbbbbbbbbbbb"',
}

_UNPACKED = {
    "plain": 'revision, down_revision = "bbbbbbbbbbbb", "aaaaaaaaaaaa"',
    "tight": 'revision,down_revision="bbbbbbbbbbbb","aaaaaaaaaaaa"',
    "brackets": '(revision, down_revision) = ("bbbbbbbbbbbb", "aaaaaaaaaaaa")',
    "lists": '[revision, down_revision] = ["bbbbbbbbbbbb", "aaaaaaaaaaaa"]',
    "reversed": 'down_revision, revision = None, "bbbbbbbbbbbb"',
    "tuple_inside": 'revision, down_revision = "bbbbbbbbbbbb", ("aaaaaaaaaaaa", "cccccccccccc")',
    "lines": 'revision, down_revision = (\n    "bbbbbbbbbbbb",\n    "aaaaaaaaaaaa",  # x\n)',
    "bracketed_value": 'revision, down_revision = "bbbbbbbbbbbb", ("aaaaaaaaaaaa")',
}

# --- The table: docstrings -----------------------------------------------------------------------

_LINES = f"Add users\n\nRevision ID: {REVISION}\nRevises: {PARENT}\nCreate Date: 2024-01-02\n\n"

_DOCSTRINGS = {
    "standard": DOCSTRING,
    "none": "# no docstring",
    "empty": '""""""',
    "blank": '"""   """',
    "message_only": '"""Add users"""',
    "single_quotes_triple": f"'''{_LINES}'''",
    "raw": f'r"""{_LINES}"""',
    "raw_with_backslashes": f'r"""C:\\users\\new\n\nRevises: {PARENT}\n"""',
    "unicode_prefix": f'u"""{_LINES}"""',
    "backslash_start": f'"""\\\n{_LINES}"""',
    "brackets": f'("""{_LINES}""")',
    "after_comments": f'#!/usr/bin/env python\n# licence\n\n"""{_LINES}"""',
    "semicolon": f'"""{_LINES}"""; x = 1',
    "followed_by_comment": f'"""{_LINES}"""  # Revises: cccccccccccc',
    "not_first": f'x = 1\n"""{_LINES}"""',
    "bytes": f'b"""{_LINES}"""',
    "f_string": f'f"""{_LINES}"""',
    "sum": f'"""Add""" + """{_LINES}"""',
    "invalid_escapes": f'"""\\d \\w \\.\n\nRevises: {PARENT}\n"""',
    "percent_and_braces": f'"""100 % {{x}}\n\nRevises: {PARENT}\n"""',
    "quotes_inside": f'"""Add "users" and ""accounts""\n\nRevises: {PARENT}\n"""',
    "escaped_quotes": f'"""Add \\"\\"\\"users\\"\\"\\"\n\nRevises: {PARENT}\n"""',
    "non_ascii": f'"""Añadir 日本語 😀\n\nRevises: {PARENT}\nCreate Date: 2024-01-02\n\n"""',
    "line_separators": f'"""Add\x0ba\x0cb\x1cc\x1dd\x1ee\x85f\u2028g\n\nRevises: {PARENT}\n"""',
    "no_blank_line": f'"""Add users\nRevises: {PARENT}\n"""',
    "message_two_lines": f'"""Add users\nand accounts\n\nRevises: {PARENT}\n"""',
    "message_after_blank": f'"""\n\nAdd users\n\nRevises: {PARENT}\n"""',
    "indented": f'"""\n    Add users\n\n    Revision ID: {REVISION}\n    Revises: {PARENT}\n"""',
    "header_decoy": f'"""Add\n\nRevises: {PARENT}\n\nrevision = \'x\'\ndown_revision = \'y\'\n"""',
    "date_out_of_range": '"""Add\n\nRevises: aaaaaaaaaaaa\nCreate Date: 2024-12-XX 28:00\n"""',
}

_DOCSTRINGS_HARD = {
    "two_parts": f'"""Add users\n\n""" """Revises: {PARENT}\n"""',
    "two_parts_lines": f'("Add users\\n\\n"\n "Revises: {PARENT}\\n")',
    "split_in_the_id": '("Add users\\n\\n"\n "Revises: aaaaaa" "aaaaaa\\n")',
    "one_line_escapes": f'"Add users\\n\\nRevision ID: {REVISION}\\nRevises: {PARENT}\\n"',
    "escape_in_the_id": '"""Add users\n\nRevises: \\x61aaaaaaaaaaa\n"""',
    "escape_in_the_label": f'"""Add users\n\nRevise\\x73: {PARENT}\n"""',
    "continued_line": '"""Add users\n\nRevises: aaaaaa\\\naaaaaa\nCreate Date: x\n"""',
    "raw_escape": f'r"""Add users\\nRevises: cccccccccccc\n\nRevises: {PARENT}\n"""',
    "escape_before": f'"""Add \\x41\\N{{BULLET}}\\n\\\n\nRevises: {PARENT}\n"""',
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
    "bare_minimum": 'revision = "bbbbbbbbbbbb"\ndown_revision = None\n',
    "no_final_newline": 'revision = "bbbbbbbbbbbb"\ndown_revision = "aaaaaaaaaaaa"',
    "value_at_start_of_file": 'down_revision = "aaaaaaaaaaaa"\nrevision = "bbbbbbbbbbbb"',
    "comment_at_end_of_file": 'revision = "b"\ndown_revision = "a"  # no newline',
    "blank_lines_first": "\n\n  \n\t\n\x0c\n" + migration(),
    "functions_first": (
        "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n\n\n"
        'revision = "bbbbbbbbbbbb"\ndown_revision = "aaaaaaaaaaaa"\n'
    ),
    "header_in_the_middle": (
        'def upgrade():\n    """down_revision = None"""\n\n\nrevision = "bbbbbbbbbbbb"\n'
        'down_revision = "aaaaaaaaaaaa"\n\n\ndef downgrade():\n    pass\n'
    ),
    "two_migrations_in_one": migration()
    + migration(
        doc='"""Add accounts\n\nRevises: bbbbbbbbbbbb\n"""',
        revision='revision = "cccccccccccc"',
        down='down_revision = "bbbbbbbbbbbb"',
    ),
    "future_import": migration(imports="from __future__ import annotations"),
    "star_import_before": migration(imports="from chainfix_companion import *"),
    "type_checking_import": migration(
        imports="from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from x import y"
    ),
    "try_import": migration(
        imports="try:\n    import no_such_package\nexcept ImportError:\n    no_such_package = None"
    ),
    "version_check": migration(
        imports="import sys\n\nif sys.version_info > (3,):\n    text = str\nelse:\n    text = bytes"
    ),
}

_DECOYS = {
    "comment": '# down_revision = "cccccccccccc"\n# revision = "dddddddddddd"',
    "comment_backslash": '# nothing \\\nx = 1\n# down_revision = "cccccccccccc" \\\n',
    "string_statement": '"""\ndown_revision = "cccccccccccc"\nrevision = "d"\n"""',
    "string_value": "SQL = '''\ndown_revision = 'cccccccccccc'\n'''",
    "keyword_lines": 'x = dict(\ndown_revision="cccccccccccc",\nrevision="d",\n)',
    "comparison_lines": 'x = [\ndown_revision == "cccccccccccc",\n]',
    "dict_keys": 'x = {"down_revision": "cccccccccccc", "revision": None}',
    "attribute": 'class C: pass\n\nC.down_revision = "cccccccccccc"\nC.revision: str = "d"',
    "item": 'x = {}\nx["down_revision"] = x["revision"] = "cccccccccccc"',
    "class_attributes": (
        'class Decoy:\n    revision = "d"\n    down_revision: str = "cccccccccccc"\n'
        "    branch_labels = depends_on = 'x'"
    ),
    "class_walrus": 'class Decoy:\n    x = (down_revision := "cccccccccccc")',
    "function_local": 'def f():\n    revision = down_revision = "cccccccccccc"',
    "function_nested": (
        'def f():\n    def g():\n        down_revision = "cccccccccccc"\n'
        "        return down_revision\n    return g"
    ),
    "function_nonlocal": (
        'def f():\n    down_revision = "c"\n    def g():\n        nonlocal down_revision\n'
        '        down_revision = "d"\n    g()\n\n\nf()'
    ),
    "function_argument": "def f(revision, down_revision='c', *depends_on, **branch_labels): ...",
    "function_reads": "def f():\n    print(revision, down_revision)",
    "function_imports": "def f():\n    from os import path as down_revision\n    import x.y",
    "function_except": (
        "def f():\n    try:\n        pass\n    except ValueError as revision:\n        pass\n"
        "    for down_revision in ():\n        pass\n    with f() as depends_on:\n        pass"
    ),
    "async_function": "async def f():\n    async for revision in f():\n        await revision",
    "method": 'class C:\n    def f(self):\n        self.revision = down_revision = "c"',
    "lambda_argument": "f = lambda revision, down_revision=1: revision",
    "lambda_walrus": 'f = lambda: (down_revision := "cccccccccccc")',
    "list_comprehension": 'x = [down_revision for down_revision in ("cccccccccccc",)]',
    "dict_comprehension": "x = {revision: depends_on for revision, depends_on in ()}",
    "generator": 'x = tuple(revision for revision in ("c",))',
    "logger": "import logging\n\nlogger = logging.getLogger(f'alembic.{revision}')",
    "loop": "x = []\nfor i in range(3):\n    x.append(i)",
    "with": "import contextlib\n\nwith contextlib.suppress(ValueError):\n    x = int('1')",
    "decorator": "import functools\n\n\n@functools.lru_cache(maxsize=None)\ndef f(): ...",
    "environment": "import os\n\nDEBUG = os.environ.get('CHAINFIX_DEBUG', '')",
    "tables": "import sqlalchemy as sa\n\nusers = sa.table('users', sa.column('id', sa.Integer))",
    "similar_names": (
        "down_revision_ = _down_revision = Down_revision = down_revisions = 'c'\n"
        "revision_id = old_revision = 'd'"
    ),
    "delete_other_name": "x = 1\ndel x, op",
    "dunder_all": "__all__ = ['revision', 'down_revision']\n__version__ = 'x'",
    "dunder_doc": '__doc__ = """Other\n\nRevises: cccccccccccc\n"""',
    "string_prefix_soup": "x = Rb'\\\\' + bR\"\\\"\"; y = rF'{x}'",
    "f_string_decoy": "x = f'''\ndown_revision = {1!r:>{10}} {{revision}}\n'''",
    "match_other": 'match 1:\n    case {"down_revision": x} | [x]: pass\n    case _: pass',
    "soft_keywords": "match = case = type = _ = 1\nmatch[case:type] if False else type",
    "ends_in_form_feed": "\x0c",
    "ends_in_tabs": "\t\t",
    "ends_in_comment": "# é",
    "unused_exec": "def run_sql():\n    exec('x = 1')",
    "unused_method_exec": "class C:\n    def exec(self, globals): return self.exec(vars(self))",
    "function_called": "def helper():\n    return {'down_revision': 1}\n\n\nx = helper()",
    "enum": "import enum\n\n\nclass Colour(enum.Enum):\n    RED = 'revision'",
    "dataclass": "import dataclasses\n\n@dataclasses.dataclass\nclass D:\n    revision: str = ''",
    "orm_model": (
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\n\n"
        "Base = declarative_base()\n\n\nclass User(Base):\n    __tablename__ = 'users'\n"
        "    id = sa.Column(sa.Integer, primary_key=True)\n    revision = sa.Column(sa.String)"
    ),
    "tabs_in_function": "def f():\n\tif True:\n\t\treturn 1\n\treturn 2",
}

_BODY = {
    "execute_decoy": '    op.execute("""\nrevision = 1\ndown_revision = "cccccccccccc"\n""")',
    "raise": '    raise RuntimeError("down_revision = None")',
    "return": "    return None",
    "locals_and_globals": "    print(locals(), globals(), vars())",
    "exec": "    exec('x = 1')",
    "global_other": "    global counter\n    counter = 1",
    "loop_over_local": "    for revision in (): pass",
    "long": "\n".join(f"    op.drop_column('t{i}', 'é{i}')" for i in range(500)),
    "deep": f"    x = {'[' * 60}{']' * 60}",
    "invalid_escape": "    op.execute('\\d \\. \\%')",
    "is_literal": "    if 1 is 1: pass",
}

# --- The table: constants of the same file -------------------------------------------------------

_CONSTANTS = {
    "name": 'REV = "bbbbbbbbbbbb"\nPARENT = "aaaaaaaaaaaa"\nrevision = REV\ndown_revision = PARENT',
    "name_of_name": 'A = "aaaaaaaaaaaa"\nB = A\nrevision = "bbbbbbbbbbbb"\ndown_revision = B',
    "annotated_name": 'P: str = "aaaaaaaaaaaa"\nrevision = "bbbbbbbbbbbb"\ndown_revision = P',
    "in_tuple": 'P = "aaaaaaaaaaaa"\nrevision = "b"\ndown_revision = (P, "cccccccccccc")',
    "plus": 'P = "aaaaaa"\nrevision = "b" + "b"\ndown_revision = P + "aaaaaa"',
    "f_string": 'P = "aaaa"\nrevision = f"bbbb"\ndown_revision = f"{P}aaaa{P}"',
    "f_string_braces": 'P = "a"\nrevision = "b"\ndown_revision = f"{{{P}}}"',
    "f_string_mixed": 'P = "a"\nrevision = "b"\ndown_revision = "{P}" f"{P}" r"\\x61"',
    "of_revision": 'revision = "bbbb"\ndown_revision = f"{revision}_parent"',
}

_CONSTANTS_HARD = {
    "reassigned_later": 'P = "aaaa"\nrevision = "bbbb"\ndown_revision = P\nP = "cccc"',
    "reassigned_before": 'P = "cccc"\nP = "aaaa"\nrevision = "bbbb"\ndown_revision = P',
    "revision_reassigned": 'revision = "bbbb"\ndown_revision = revision\nrevision = "cccc"',
    "swapped": (
        'revision = "aaaa"\ndown_revision = "bbbb"\n'
        "revision, down_revision = down_revision, revision"
    ),
    "itself": 'revision = "bbbb"\ndown_revision = "aaaa"\ndown_revision = down_revision',
    "itself_plus": 'revision = "b"\ndown_revision = "a"\ndown_revision = down_revision + "x"',
    "augmented_constant": 'P = "aaaa"\nP += "x"\nrevision = "bbbb"\ndown_revision = P',
    "augmented_later": 'P = "aaaa"\nrevision = "bbbb"\ndown_revision = P\nP += "x"',
    "conditional_constant": 'P = "a"\nif len(P):\n    P = "c"\nrevision = "b"\ndown_revision = P',
    "constant_in_try": 'try:\n    P = "a"\nfinally:\n    revision = "b"\ndown_revision = P',
    "constant_from_loop": 'for P in ("x", "a"): pass\nrevision = "b"\ndown_revision = P',
    "constant_walrus": '(P := "a")\nrevision = "b"\ndown_revision = P',
    "constant_walrus_again": 'P = "a"\nx = [P := "c"]\nrevision = "b"\ndown_revision = P',
    "constant_global": (
        'P = "a"\ndef f():\n    global P\n    P = "c"\nf()\nrevision = "b"\ndown_revision = P'
    ),
    "constant_in_class_global": (
        'P = "a"\nclass C:\n    global P\n    P = "c"\nrevision = "b"\ndown_revision = P'
    ),
    "constant_then_star_import": (
        'REV = "a"\nfrom chainfix_companion import *\nrevision = "b"\ndown_revision = REV'
    ),
    "constant_then_import": (
        'REV = "a"\nfrom chainfix_companion import REV\nrevision = "b"\ndown_revision = REV'
    ),
    "constant_then_exec": 'P = "a"\nexec("P = \'c\'")\nrevision = "b"\ndown_revision = P',
    "constant_then_globals": 'P = "a"\nglobals()["P"] = "c"\nrevision = "b"\ndown_revision = P',
    "constant_then_def": 'P = "a"\ndef P(): ...\nrevision = "b"\ndown_revision = P',
    "constant_none": 'P = None\nrevision = "b"\ndown_revision = P',
    "constant_tuple": 'P = ("a", "c")\nrevision = "b"\ndown_revision = P',
    "constant_list_appended": ('P = ["a"]\nrevision = "b"\ndown_revision = P\nP.append("c")'),
    "constant_list_appended_before": (
        'P = ["a"]\nP.append("c")\nrevision = "b"\ndown_revision = P'
    ),
    "constant_unpacked": 'P, Q = "a", "c"\nrevision = "b"\ndown_revision = P',
    "constant_swapped": 'P, Q = "a", "c"\nP, Q = Q, P\nrevision = "b"\ndown_revision = P',
    "f_string_conversion": 'P = "a"\nrevision = "b"\ndown_revision = f"{P!r}"',
    "f_string_format": 'P = "a"\nrevision = "b"\ndown_revision = f"{P:>5}|{P:_^7}"',
    "f_string_debug": 'P = "a"\nrevision = "b"\ndown_revision = f"{P=}"',
    "f_string_none": 'P = None\nrevision = "b"\ndown_revision = f"{P}{None}"',
    "f_string_number": 'P = 28\nrevision = "b"\ndown_revision = f"{P}_{1.50}_{True}"',
    "f_string_tuple": 'P = ("a",)\nrevision = "b"\ndown_revision = f"{P}"',
    "star_in_tuple": 'P = ("a", "c")\nrevision = "b"\ndown_revision = (*P, "d")',
    "tuple_plus": 'P = ("a",)\nrevision = "b"\ndown_revision = P + ("c",)',
    "class_scope": 'P = "a"\nclass C:\n    P = "c"\nrevision = "b"\ndown_revision = P',
    "function_scope": 'P = "a"\ndef f():\n    P = "c"\nf()\nrevision = "b"\ndown_revision = P',
    "dunder_name": 'revision = "b"\ndown_revision = __name__',
    "dunder_doc": '"""Add\n\nmore"""\nrevision = "b"\ndown_revision = __doc__',
    "builtin_rebound": 'id = "a"\nrevision = "b"\ndown_revision = id',
    "nfkc_name": '\U0001d40f = "a"\nrevision = "b"\ndown_revision = P',
}

# --- The table: values that only running can be sure of ------------------------------------------

_COMPUTED = {
    "call": 'down_revision = str("aaaaaaaaaaaa")',
    "method": 'down_revision = " aaaaaaaaaaaa ".strip()',
    "environment": 'import os\ndown_revision = os.environ.get("CHAINFIX_PARENT", "aaaaaaaaaaaa")',
    "getenv": 'from os import getenv\ndown_revision = getenv("CHAINFIX_PARENT")',
    "imported_attribute": "import chainfix_companion as c\ndown_revision = c.down_revision",
    "imported_name": "from chainfix_companion import REV\ndown_revision = REV",
    "imported_in_tuple": 'from chainfix_companion import REV\ndown_revision = (REV, "aaaa")',
    "imported_variable": "from chainfix_companion import down_revision",
    "class_attribute": 'class C:\n    P = "aaaa"\ndown_revision = C.P',
    "ternary": 'down_revision = "aaaa" if True else "cccc"',
    "or": 'down_revision = None or "aaaa"',
    "slice": 'down_revision = "aaaacccc"[:4]',
    "index": 'down_revision = ("aaaa", "cccc")[0]',
    "multiplied": 'down_revision = "a" * 12',
    "percent": 'down_revision = "%s" % "aaaa"',
    "percent_tuple": 'down_revision = "%saa%s" % ("a", "a")',
    "join": 'down_revision = "".join(["aaaa", "cccc"])',
    "subscript_dict": 'down_revision = {"x": "aaaa"}["x"]',
    "dict": 'down_revision = {"aaaa": 1, "cccc": 2}',
    "frozenset": 'down_revision = frozenset({"aaaa"})',
    "tuple_call": 'down_revision = tuple(["aaaa", "cccc"])',
    "comprehension": 'down_revision = [x for x in ("aaaa", "cccc")]',
    "lambda_call": 'down_revision = (lambda: "aaaa")()',
    "walrus_value": 'down_revision = (parent := "aaaa")',
    "walrus_statement": '(down_revision := "aaaa")',
    "starred_in_list": 'down_revision = [*("aaaa", "cccc")]',
    "starred_naked": 'down_revision = *("aaaa",), "cccc"',
    "deep_plus": "down_revision = chr(97)" + " + 'a'" * 60,
    "long_plus": "down_revision = 'a'" + " + 'a'" * 400,
    "if_else_both": 'if op:\n    down_revision = "aaaa"\nelse:\n    down_revision = "cccc"',
    "if_true": 'if True:\n    down_revision = "aaaa"',
    "if_same_value": 'if op:\n    down_revision = "aaaa"\nelse:\n    down_revision = "aaaa"',
    "try_whole": 'try:\n    down_revision = "aaaa"\nexcept ValueError:\n    down_revision = None',
    "with_whole": 'import contextlib\nwith contextlib.nullcontext():\n    down_revision = "aaaa"',
    "for_once": 'for x in (1,):\n    down_revision = "aaaa"',
    "bracketed_target": '(down_revision): str = "aaaa"',
    "bare_annotation_after": 'down_revision = "aaaa"\ndown_revision: str',
    "global_statement": 'global down_revision\ndown_revision = "aaaa"',
    "chained_with_other": 'down_revision = parent = "aaaa"',
    "chained_three": 'x = down_revision = y = ("aaaa", "cccc")',
    "surrogate": 'down_revision = "aaaa\\ud800"',
    "nul_escape": 'down_revision = "aaaa\\0"',
    "delete_and_again": 'down_revision = "cccc"\ndel down_revision\ndown_revision = "aaaa"',
    "delete_another_scope": (
        'down_revision = "aaaa"\ndef f():\n    down_revision = 1\n    del down_revision'
    ),
}

_NOT_STRINGS = {
    "number": "down_revision = 5",
    "number_in_tuple": 'down_revision = ("aaaaaaaaaaaa", 5)',
    "negative": "down_revision = -5",
    "octal_like": "down_revision = 0",
    "float": "down_revision = 1e5",
    "true": "down_revision = True",
    "false": "down_revision = False",
    "ellipsis": "down_revision = ...",
    "bytes": "down_revision = b'aaaa'",
    "none_in_tuple": 'down_revision = (None, "aaaaaaaaaaaa")',
    "only_none_in_tuple": "down_revision = (None,)",
    "number_in_list": 'down_revision = [5, "aaaaaaaaaaaa"]',
    "bytes_in_tuple": 'down_revision = (b"x", "aaaaaaaaaaaa")',
    "nested_tuple": 'down_revision = ("aaaaaaaaaaaa", ("cccccccccccc",))',
    "complex": "down_revision = 1 + 2j",
    "lambda": "down_revision = lambda: None",
    "function": "def down_revision(): ...",
    "module": "import os as down_revision",
    "builtin": "down_revision = id",
}

_NOT_STRINGS_REST = {
    "number_label": "branch_labels = 5\ndepends_on = None",
    "none_label": "branch_labels = None,\ndepends_on = None",
    "number_dependency": "branch_labels = None\ndepends_on = (5, 'cccccccccccc')",
}

_GETATTR = """\
def __getattr__(name):
    if name == "branch_labels":
        return "users"
    raise AttributeError(name)
"""

_REST_COMPUTED = {
    "imported_label": "from chainfix_companion import REV\nbranch_labels = (REV,)",
    "module_label": "import chainfix_companion\nbranch_labels = (chainfix_companion.REV,)",
    "computed_dependency": "depends_on = str('cccccccccccc')",
    "star_import_missing": "from chainfix_companion import down_revision as x\nfrom sys import *",
    "dependency_is_parent": "branch_labels = None\ndepends_on = down_revision",
    "label_of_parent": "branch_labels = (f'after_{down_revision}',)",
    "conditional_label": "branch_labels = None\nif op:\n    branch_labels = 'users'",
    "conditional_label_only": "if op:\n    branch_labels = 'users'",
    "conditional_dependency": "try:\n    depends_on = 'cccc'\nexcept ValueError:\n    pass",
    "loop_dependency": "for depends_on in ('dddd', 'cccc'):\n    pass",
    "imported_dependency": "from chainfix_companion import depends_on",
    "module_getattr": _GETATTR,
    "module_getattr_assigned": _GETATTR.replace("__getattr__", "f") + "\n__getattr__ = f",
    "list_label": "branch_labels = []\nbranch_labels.append('users')",
    "unpacked_starred": "branch_labels, *depends_on = None, 'cccc', 'dddd'",
    "unpacked_call": "branch_labels, depends_on = map(str, ('x', 'cccc'))",
}

_UNPACKED_HARD = {
    "nested": 'revision, (down_revision, depends_on) = "bbbb", ("aaaa", None)',
    "starred": 'revision, *down_revision = "bbbb", "aaaa", "cccc"',
    "starred_first": '*down_revision, revision = "aaaa", "cccc", "bbbb"',
    "starred_empty": 'revision, *down_revision = ("bbbb",)',
    "starred_value": 'revision, down_revision = *("bbbb",), "aaaa"',
    "string": 'revision, down_revision = "ba"',
    "set": 'revision, down_revision = dict.fromkeys(("bbbb", "aaaa"))',
    "call": 'revision, down_revision = "bbbb:aaaa".split(":")',
    "chained_tuple": 'x = revision, down_revision = "bbbb", "aaaa"',
    "chained_unpacking": 'revision, down_revision = down_revision, revision = "bbbb", "aaaa"',
    "same_name_twice": 'revision, down_revision, down_revision = "bbbb", "cccc", "aaaa"',
    "whole_and_part": 'down_revision = revision, x = "bbbb", "aaaa"',
    "lists_shared": 'revision = "b"\ndown_revision = depends_on = ["a"]\ndepends_on.append("c")',
    "for_tuple": 'for revision, down_revision in [("bbbb", "aaaa")]: pass',
}

_REBINDINGS = {
    "if": 'if op:\n    down_revision = "cccccccccccc"',
    "if_line": 'if op: down_revision = "cccccccccccc"; x = 1',
    "if_false": 'if 0:\n    down_revision = "cccccccccccc"',
    "if_else": 'if not op:\n    pass\nelse:\n    down_revision = "cccccccccccc"',
    "if_nested": 'if op:\n    if op:\n        down_revision = "cccccccccccc"',
    "if_main": 'if __name__ == "__main__":\n    down_revision = "cccccccccccc"',
    "if_type_checking": (
        'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    down_revision = "cccccccccccc"'
    ),
    "if_revision": 'if op:\n    revision = "cccccccccccc"',
    "try": 'try:\n    down_revision = "cccccccccccc"\nexcept ImportError:\n    pass',
    "try_except": 'try:\n    int("x")\nexcept ValueError:\n    down_revision = "cccccccccccc"',
    "try_else": 'try:\n    pass\nexcept OSError:\n    pass\nelse:\n    down_revision = "c"',
    "try_finally": 'try:\n    pass\nfinally:\n    down_revision = "cccccccccccc"',
    "except_as": "try:\n    pass\nexcept ValueError as down_revision:\n    pass",
    "for_target": 'for down_revision in ("cccccccccccc",):\n    pass',
    "for_body": 'for x in ("cccccccccccc",):\n    down_revision = x',
    "for_else": 'for x in ():\n    pass\nelse:\n    down_revision = "cccccccccccc"',
    "for_tuple": 'for x, (y, *down_revision) in [(1, (2, "cccccccccccc"))]:\n    pass',
    "while": 'while False:\n    down_revision = "cccccccccccc"',
    "while_else": 'while False:\n    pass\nelse:\n    down_revision = "cccccccccccc"',
    "with_target": (
        'import contextlib\nwith contextlib.nullcontext("cccccccccccc") as down_revision:\n    pass'
    ),
    "with_tuple": (
        'import contextlib\nwith contextlib.nullcontext("xc") as (x, down_revision):\n    pass'
    ),
    "with_body": (
        "import contextlib\nwith contextlib.suppress(ValueError):\n    int('x')\n"
        '    down_revision = "cccccccccccc"'
    ),
    "match_capture": 'match "cccccccccccc":\n    case down_revision:\n        pass',
    "match_as": 'match "cccccccccccc":\n    case str() as down_revision:\n        pass',
    "match_star": 'match ["cccccccccccc"]:\n    case [*down_revision]:\n        pass',
    "match_mapping": 'match {"x": "cccccccccccc"}:\n    case {"x": down_revision}:\n        pass',
    "match_rest": 'match {"cccccccccccc": 1}:\n    case {**down_revision}:\n        pass',
    "match_body": 'match 1:\n    case 1:\n        down_revision = "cccccccccccc"',
    "walrus": '(down_revision := "cccccccccccc")',
    "walrus_in_if": 'if (down_revision := "cccccccccccc"):\n    pass',
    "walrus_in_call": 'len(down_revision := "cccccccccccc")',
    "walrus_in_comprehension": 'x = [down_revision := y for y in ("cccccccccccc",)]',
    "walrus_in_condition": 'x = [y for y in ("cccccccccccc",) if (down_revision := y)]',
    "walrus_in_f_string": "x = f\"{(down_revision := 'cccccccccccc')}\"",
    "walrus_in_default": 'def f(x=(down_revision := "cccccccccccc")): ...',
    "walrus_in_keyword_default": 'def f(*, x=(down_revision := "cccccccccccc")): ...',
    "walrus_in_lambda_default": 'f = lambda x=(down_revision := "cccccccccccc"): x',
    "walrus_in_decorator": '@(lambda f: f, down_revision := "cccccccccccc")[0]\ndef f(): ...',
    "walrus_in_base": 'class C(*[down_revision := "cccccccccccc"][1:]): ...',
    "walrus_in_metaclass": 'class C(metaclass=(type, down_revision := "cccccccccccc")[0]): ...',
    "walrus_in_annotation": 'x: (down_revision := "cccccccccccc") = 1',
    "walrus_in_argument_annotation": 'def f(x: (down_revision := "cccccccccccc")): ...',
    "walrus_in_assert": 'assert (down_revision := "cccccccccccc")',
    "walrus_in_subscript": 'x = {}\nx[(down_revision := "cccccccccccc")] = 1',
    "walrus_in_del": 'x = {"cccccccccccc": 1}\ndel x[down_revision := "cccccccccccc"]',
    "augmented": 'down_revision += "c"',
    "augmented_in_if": 'if op:\n    down_revision += "c"',
    "import_name": "from chainfix_companion import down_revision",
    "import_as": "from chainfix_companion import REV as down_revision",
    "import_in_try": (
        "try:\n    from chainfix_companion import down_revision\nexcept ImportError:\n    pass"
    ),
    "star_import": "from chainfix_companion import *",
    "star_import_in_if": "if op:\n    from chainfix_companion import *",
    "exec": "exec(\"down_revision = 'cccccccccccc'\")",
    "exec_builtins": "import builtins\nbuiltins.exec(\"down_revision = 'cccccccccccc'\")",
    "exec_alias": "run = exec\nrun(\"down_revision = 'cccccccccccc'\")",
    "exec_in_class": "class C:\n    exec(\"down_revision = 'cccccccccccc'\", globals())",
    "exec_in_function": "def f():\n    exec(\"down_revision = 'cccc'\", globals())\n\n\nf()",
    "exec_in_comprehension": "x = [exec(y, globals()) for y in (\"down_revision = 'cccc'\",)]",
    "exec_imported": "from builtins import exec as run\nrun(\"down_revision = 'cccc'\")",
    "exec_dunder_import": "__import__('builtins').exec(\"down_revision = 'cccc'\")",
    "exec_dunder_builtins": "__builtins__['exec'](\"down_revision = 'cccc'\", globals())",
    "exec_in_init": (
        "class C:\n    def __init__(self):\n"
        "        exec(\"down_revision = 'cccc'\", globals())\n\n\nC()"
    ),
    "exec_in_lambda": "f = lambda: exec(\"down_revision = 'cccc'\", globals())\nf()",
    "eval": "eval(\"globals().update(down_revision='cccccccccccc')\")",
    "globals_item": 'globals()["down_revision"] = "cccccccccccc"',
    "globals_update": 'globals().update(down_revision="cccccccccccc")',
    "globals_setitem": 'globals().__setitem__("down_revision", "cccccccccccc")',
    "globals_or": 'x = globals()\nx |= {"down_revision": "cccccccccccc"}',
    "globals_alias": 'g = globals\ng()["down_revision"] = "cccccccccccc"',
    "globals_variable": 'g = globals()\ng["down_revision"] = "cccccccccccc"',
    "globals_in_loop": 'for x in ("down_revision",):\n    globals()[x] = "cccccccccccc"',
    "globals_in_function": 'def f():\n    globals()["down_revision"] = "cccccccccccc"\n\n\nf()',
    "globals_in_lambda": '(lambda: globals().update(down_revision="cccccccccccc"))()',
    "globals_in_method": (
        "class C:\n    @staticmethod\n    def f():\n"
        "        globals()['down_revision'] = 'cccc'\n\n\nC.f()"
    ),
    "globals_in_decorator": (
        "def f(g):\n    globals()['down_revision'] = 'cccc'\n    return g\n\n\n@f\ndef h(): ..."
    ),
    "globals_in_init_subclass": (
        "class C:\n    def __init_subclass__(cls):\n"
        "        globals()['down_revision'] = 'cccc'\n\n\nclass D(C): ..."
    ),
    "globals_in_generator": (
        "def f():\n    globals()['down_revision'] = 'cccc'\n    yield 1\n\n\nx = [*f()]"
    ),
    "globals_in_operator": (
        "class C:\n    def __add__(self, other):\n"
        "        globals()['down_revision'] = 'cccc'\n\n\nC() + 1"
    ),
    "globals_through_map": (
        "def f(x):\n    globals()['down_revision'] = x\n\n\nx = list(map(f, ['cccc']))"
    ),
    "globals_through_alias": ("def f():\n    globals()['down_revision'] = 'cccc'\n\n\ng = f\ng()"),
    "globals_as_default": ("def f(x=globals()):\n    x['down_revision'] = 'cccc'\n\n\nf()"),
    "globals_as_argument": ("def f(x):\n    x['down_revision'] = 'cccc'\n\n\nf(globals())"),
    "frame_globals": "import sys\nsys._getframe().f_globals['down_revision'] = 'cccc'",
    "globals_as_for_target": 'for globals()["down_revision"] in ("cccccccccccc",): pass',
    "globals_of_function": 'def f(): ...\n\n\nf.__globals__["down_revision"] = "cccccccccccc"',
    "locals_item": 'locals()["down_revision"] = "cccccccccccc"',
    "vars_item": 'vars()["down_revision"] = "cccccccccccc"',
    "global_function_called": (
        'def f():\n    global down_revision\n    down_revision = "cccccccccccc"\n\n\nf()'
    ),
    "global_function_uncalled": 'def f():\n    global down_revision\n    down_revision = "c"',
    "global_function_revision": 'def f():\n    global revision\n    revision = "cccc"\n\n\nf()',
    "global_nested_function": (
        "def f():\n    def g():\n        global x, down_revision\n"
        '        x = down_revision = "cccc"\n    g()\n\n\nf()'
    ),
    "global_in_method": (
        "class C:\n    def f(self):\n        global down_revision\n"
        '        down_revision = "cccc"\n\n\nC().f()'
    ),
    "global_in_class": 'class C:\n    global down_revision\n    down_revision = "cccccccccccc"',
    "global_import": (
        "def f():\n    global down_revision\n    from chainfix_companion import down_revision\nf()"
    ),
    "function_named": "def down_revision(): ...",
    "class_named": "class down_revision: ...",
    "nfkc_name": '\U0001d41dow\uff4e_revision = "cccccccccccc"',
    "nfkc_walrus": '(\U0001d41down_revision := "cccccccccccc")',
    "one_line_class_global": 'class C: global down_revision; down_revision = "cccccccccccc"',
    "used_in_assert": f'assert down_revision == "{PARENT}"',
    "used_as_key": f'{{"{PARENT}": 1}}[down_revision]',
    "copied_into_dependency": "depends_on = down_revision",
    "copied_into_label": 'branch_labels = ("x" + down_revision,)',
    "copied_through_name": "P = down_revision\ndepends_on = P",
}

_MUTATED = {
    "append": 'down_revision.append("cccc")',
    "append_in_if": 'if op:\n    down_revision.append("cccc")',
    "append_in_function": 'def f():\n    down_revision.append("cccc")\n\n\nf()',
    "append_through_class": 'list.append(down_revision, "cccc")',
    "append_through_alias": 'x = down_revision\nx.append("cccc")',
    "append_bound_method": 'x = down_revision.append\nx("cccc")',
    "passed_to_function": 'def f(x):\n    x.append("cccc")\n\n\nf(down_revision)',
    "augmented": 'down_revision += ["cccc"]',
    "augmented_alias": 'x = down_revision\nx += ["cccc"]',
    "item": 'down_revision[0] = "cccc"',
    "slice": 'down_revision[:] = ["cccc"]',
    "slice_in_for": 'for down_revision[0] in ("cccc",): pass',
    "unpacked_into": 'down_revision[0], x = "cccc", 1',
    "deleted_item": "del down_revision[0]",
    "cleared": "down_revision.clear()",
    "in_comprehension": 'x = [down_revision.append(y) for y in ("cccc",)]',
    "in_container": 'x = (down_revision,)\nx[0].append("cccc")',
    "in_class": 'class C:\n    down_revision.append("cccc")',
    "in_default": 'def f(x=down_revision): x.append("cccc")\n\n\nf()',
    "in_decorator": "@down_revision.append\ndef f(): ...",
    "in_loop": 'for x in (down_revision,):\n    x.append("cccc")',
    "in_walrus": '(x := down_revision).append("cccc")',
}

# --- The table: files that Alembic cannot load ---------------------------------------------------

_BROKEN: dict[str, str | bytes] = {
    "empty": "",
    "only_newline": "\n",
    "only_comment": "# nothing",
    "only_docstring": DOCSTRING,
    "only_bom": b"\xef\xbb\xbf",
    "no_down_revision": 'revision = "bbbbbbbbbbbb"\n',
    "no_revision": 'down_revision = "aaaaaaaaaaaa"\n',
    "only_annotated": 'revision = "bbbbbbbbbbbb"\ndown_revision: str\n',
    "only_in_class": 'class M:\n    revision = "b"\n    down_revision = "a"\n',
    "only_in_function": 'def f():\n    revision = "b"\n    down_revision = "a"\n',
    "only_in_docstring": '"""\nrevision = "b"\ndown_revision = "a"\n"""\n',
    "only_in_comment": '# revision = "b"\n# down_revision = "a"\n',
    "only_as_keyword": 'dict(\nrevision="b",\ndown_revision="a",\n)\n',
    "capitals": 'Revision = "b"\nDown_revision = "a"\n',
    "deleted": migration(end="del down_revision"),
    "deleted_revision": migration(end="del op, revision"),
    "deleted_in_brackets": migration(end="del (op, [down_revision])"),
    "deleted_in_if": migration(end="if True:\n    del down_revision"),
    "deleted_globals": migration(end='del globals()["down_revision"]'),
    "popped_globals": migration(end='globals().pop("down_revision")'),
    "deleted_by_except": migration(
        end="try:\n    raise ValueError\nexcept ValueError as down_revision:\n    pass"
    ),
    "revision_number": migration(revision="revision = 5"),
    "revision_none": migration(revision="revision = None"),
    "revision_true": migration(revision="revision = True"),
    "revision_function": migration(end="def revision(): ..."),
    "revision_module": migration(end="import os as revision"),
    "name_before_assignment": 'revision = REV\nREV = "b"\ndown_revision = None\n',
    "names_in_a_circle": "A = B\nB = A\nrevision = A\ndown_revision = None\n",
    "name_of_itself": 'revision = revision\ndown_revision = "a"\n',
    "name_undefined": 'revision = "b"\ndown_revision = aaaaaaaaaaaa\n',
    "unpack_too_few": 'revision, down_revision = ("b",)\n',
    "unpack_too_many": 'revision, down_revision = "b", "a", None\n',
    "plus_none": 'revision = "b"\ndown_revision = "a" + None\n',
    "plus_number": 'revision = "b"\ndown_revision = "a" + 5\n',
    "conflict": migration(
        down='<<<<<<< HEAD\ndown_revision = "c"\n=======\ndown_revision = "a"\n>>>>>>> x'
    ),
    "conflict_in_body": migration(body="    pass\n<<<<<<< HEAD\n    pass\n=======\n>>>>>>> x"),
    "conflict_diff3": migration(end="<<<<<<< HEAD\nx = 1\n||||||| base\n=======\n>>>>>>> x"),
    "unclosed_docstring": '"""Add\n\nrevision = "b"\ndown_revision = "a"\n',
    "unclosed_bracket": migration(down='down_revision = ("aaaaaaaaaaaa"'),
    "unclosed_string": migration(down='down_revision = "aaaaaaaaaaaa'),
    "unclosed_bracket_at_end": migration(end="x = ("),
    "backslash_at_end": migration(end="x = 1 \\"),
    "backslash_and_space": migration(down='down_revision = \\ \n    "aaaaaaaaaaaa"'),
    "indented_header": '    revision = "b"\ndown_revision = "a"\n',
    "vertical_tab_indent": migration(down='\x0bdown_revision = "aaaaaaaaaaaa"'),
    "no_break_space": migration(down='down_revision\u00a0= "aaaaaaaaaaaa"'),
    "curly_quotes": migration(down="down_revision = “aaaaaaaaaaaa”"),
    "zero_width_space": migration(down='\u200bdown_revision = "aaaaaaaaaaaa"'),
    "bom_in_the_middle": migration(down='\ufeffdown_revision = "aaaaaaaaaaaa"'),
    "print_statement": migration(body='    print "x"'),
    "except_comma": migration(body="    try: pass\n    except ValueError, e: pass"),
    "old_octal": migration(body="    x = 0777"),
    "ur_string": migration(down="down_revision = ur'aaaaaaaaaaaa'"),
    "mixed_bytes": migration(down="down_revision = 'aaaa' b'aaaa'"),
    "bad_escape": migration(down="down_revision = '\\x6'"),
    "bad_unicode_name": migration(body="    x = '\\N{NO SUCH NAME}'"),
    "empty_function": migration(body="    # nothing"),
    "tabs_and_spaces": migration(body="\tif True:\n        pass"),
    "bad_dedent": migration(body="        pass\n    pass"),
    "assign_to_literal": migration(end='"down_revision" = 1'),
    "assign_in_call": migration(end="print(down_revision.x = 1)"),
    "return_outside": migration(end="return"),
    "return_in_class": migration(end="class C:\n    return 1"),
    "yield_outside": migration(end="yield 1"),
    "await_outside": migration(end="await x"),
    "break_outside": migration(body="    break"),
    "continue_outside": migration(end="continue"),
    "nonlocal_outside": migration(end="nonlocal x"),
    "nonlocal_unknown": migration(body="    nonlocal x"),
    "global_after_use": migration(body="    x = 1\n    global x"),
    "global_argument": migration(end="def f(x):\n    global x"),
    "same_argument_twice": migration(end="def f(x, x): ..."),
    "star_import_in_function": migration(body="    from os import *"),
    "late_future_import": migration(end="from __future__ import annotations"),
    "unknown_future_import": migration(imports="from __future__ import no_such_feature"),
    "starred_alone": migration(end="*x = 1"),
    "two_stars": migration(end="*x, *y = 1, 2"),
    "walrus_alone": migration(end="x := 1"),
    "walrus_of_loop_name": migration(end="[x := 1 for x in ()]"),
    "duplicate_keyword": migration(end="dict(x=1, x=2)"),
    "debug_assigned": migration(end="__debug__ = 1"),
    "bare_except_first": migration(
        body="    try: pass\n    except: pass\n    except OSError: pass"
    ),
    "unreachable_case": migration(body="    match 1:\n        case x: pass\n        case 2: pass"),
    "unknown_closing": migration(end="x = (]"),
    "too_many_brackets": migration(end=f"x = {'(' * 300}1{')' * 300}"),
    "too_much_indentation": migration(
        end="\n".join("  " * depth + "if 1:" for depth in range(120)) + "\n" + "  " * 120 + "pass"
    ),
    "nul": migration().encode() + b"\0",
    "nul_in_docstring": migration(doc='"""Add \0 users"""').encode(),
    "nul_in_comment": migration(end="# \0").encode(),
    "control_z": migration(end="\x1a"),
    "utf_16": migration().encode("utf-16"),
    "utf_16_no_bom": migration().encode("utf-16-le"),
    "utf_16_cookie": migration(top="# coding: utf-16\n"),
    "utf_32": migration().encode("utf-32"),
    "latin_1_no_cookie": migration(doc='"""Añadir"""').encode("latin-1"),
    "bom_and_latin_1_cookie": b"\xef\xbb\xbf" + migration(top="# coding: latin-1\n").encode(),
    "two_boms": b"\xef\xbb\xbf\xef\xbb\xbf" + migration().encode(),
    "unknown_cookie": migration(top="# coding: no-such-codec\n"),
    "not_text_cookie": migration(top="# coding: rot13\n"),
    "hex_cookie": migration(top="# coding: hex\n"),
    "ascii_cookie": migration(top="# coding: ascii\n", doc='"""é"""'),
    "undefined_in_cp1252": migration(top="# coding: cp1252\n", end="# ").encode() + b"\x81",
    "late_cookie": migration(top="#\n#\n# coding: latin-1\n", doc='"""é"""').encode("latin-1"),
    "cookie_after_code": b'x = 1\n# coding: latin-1\nrevision = "\xe9"\ndown_revision = None\n',
    "html": "<!DOCTYPE html>\n<html>404</html>\n",
    "json": '{"revision": "b", "down_revision": "a"}',
    "git_lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n",
    "mako": "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n",
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
    "each_line_other": (
        '"""Add\r\n\nRevises: aaaaaaaaaaaa\rCreate Date: x\r\n"""\r\n\r\rrevision = "b"\r'
        'down_revision = "aaaaaaaaaaaa"\r\nbranch_labels = None\ndepends_on = None\r'
    ),
    "cr_in_docstring": '"""Add\rusers\n\nRevises: a\n"""\nrevision = "b"\ndown_revision = "a"\n',
    "cr_after_comment": 'revision = "b"\n# down_revision = "c"\rdown_revision = "a"\n',
    "cr_cr_lf": migration().replace("\n", "\r\r\n"),
    "crlf_form_feed": migration().replace("\n", "\r\n").replace("\n\r\n", "\n\x0c\r\n", 3),
    "cr_at_end": 'revision = "b"\ndown_revision = "a"\r',
}

# --- The table: files that fail only when they run -----------------------------------------------

_ONLY_RUNNING = {
    "import_missing": migration(imports="import no_such_package.models"),
    "import_missing_name": migration(imports="from alembic import no_such_name"),
    "relative_import": migration(imports="from . import helpers"),
    "undefined_name": migration(end="x = no_such_name"),
    "undefined_annotation": migration(down='down_revision: Optional[str] = "aaaaaaaaaaaa"'),
    "division": migration(end="x = 1 / 0"),
    "raises": migration(end='raise RuntimeError("x")'),
    "exits": migration(end="raise SystemExit(3)"),
    "assertion": migration(end="assert not op"),
    "op_at_module_level": migration(end='op.execute("x")'),
    "call_fails": migration(end="int('x')"),
    "base_class_missing": migration(end="class User(models.Base): ..."),
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

_PYTHON_311 = {
    "except_star": "try:\n    pass\nexcept* ValueError as group:\n    pass",
    "star_in_index": "def f(*args: *tuple[int]): ...",
}
_PYTHON_312 = {
    "type_statement": "type X = int | str",
    "type_parameter": "def f[down_revision](x: down_revision): ...\n\n\nclass C[revision]: ...",
    "nested_quotes": 'x = f"{\'a\' + "b"}"',
}
_PYTHON_312_HARD = {"type_named": "type down_revision = int"}


def _since(version: tuple[int, int], kind: Kind) -> Kind:
    """The claim for a file in the syntax of this version of Python."""
    return kind if sys.version_info >= version else Kind.BROKEN


SHAPES: tuple[Shape, ...] = (
    *group("down", Kind.CERTAIN, varying("down", _DOWN)),
    *group("annotated", Kind.CERTAIN, _ANNOTATED),
    *group("rest", Kind.CERTAIN, varying("rest", _REST)),
    *group("revision", Kind.CERTAIN, varying("revision", _REVISION)),
    *group(
        "unpacked",
        Kind.CERTAIN,
        {name: migration(revision=line, down="") for name, line in _UNPACKED.items()},
    ),
    *group("chained", Kind.CERTAIN, _CHAINED),
    *group("doc", Kind.CERTAIN, varying("doc", _DOCSTRINGS)),
    *group("doc_hard", Kind.CERTAIN, varying("doc", _DOCSTRINGS_HARD)),
    *group(
        "revises",
        Kind.CERTAIN,
        varying("doc", {name: source for name, (source, _) in _REVISES.items()}),
    ),
    *group("around", Kind.CERTAIN, _AROUND),
    *group("end", Kind.CERTAIN, varying("end", _DECOYS)),
    *group("body", Kind.CERTAIN, varying("body", _BODY)),
    *group("constant", Kind.CERTAIN, _CONSTANTS, literal=False),
    *group("encoded", Kind.CERTAIN, _ENCODED),
    *group("crlf", Kind.CERTAIN, _newlines("\r\n")),
    *group("cr", Kind.CERTAIN, _newlines("\r")),
    *group("mixed_newlines", Kind.CERTAIN, _MIXED_NEWLINES),
    *group("python311", _since((3, 11), Kind.CERTAIN), varying("end", _PYTHON_311)),
    *group("python312", _since((3, 12), Kind.CERTAIN), varying("end", _PYTHON_312)),
    *named(Kind.CERTAIN, _NAMED_CERTAIN),
    *group("constant_hard", Kind.UNCERTAIN, _CONSTANTS_HARD, literal=False),
    *group("computed", Kind.UNCERTAIN, varying("down", _COMPUTED), literal=False),
    *group("not_a_string", Kind.UNCERTAIN, varying("down", _NOT_STRINGS), literal=False),
    *group("not_a_string", Kind.UNCERTAIN, varying("rest", _NOT_STRINGS_REST), literal=False),
    *group("rest_computed", Kind.UNCERTAIN, varying("rest", _REST_COMPUTED), literal=False),
    *group(
        "unpacked_hard",
        Kind.UNCERTAIN,
        {name: migration(revision=line, down="", rest="") for name, line in _UNPACKED_HARD.items()},
        literal=False,
    ),
    *group("rebound", Kind.UNCERTAIN, varying("end", _REBINDINGS), literal=False),
    *group(
        "mutated",
        Kind.UNCERTAIN,
        {
            name: migration(down='down_revision = ["aaaa"]', end=f"{end}\n")
            for name, end in _MUTATED.items()
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
    *group("only_running", Kind.ONLY_RUNNING, _ONLY_RUNNING),
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

EXAMPLES = int(os.environ.get("FIXCHAIN_SHAPES", "100"))
MANY_EXAMPLES = settings(
    max_examples=EXAMPLES,
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
REBINDING_ENDINGS = [end for name, end in _REBINDINGS.items() if name not in _NOT_TO_COMBINE]


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
