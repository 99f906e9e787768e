"""What nobody would write, given to all that reads files: no crash, no hang, no growth.

Run it from the root of the project, for as many seconds as there are::

    python -m tests.fuzzing 600

A process that hangs or grows is ended with what it was at. ``test_fuzzing`` runs the same, shortly.
"""

from __future__ import annotations

import contextlib
import faulthandler
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.source.header import judge, read
from flask_chainfix.chain.source.scan import scan
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.environment.locate import open_config
from flask_chainfix.environment.surroundings import script_locations
from flask_chainfix.model.files import Header, Unreadable
from flask_chainfix.schema.python.footprint_reader import read_footprint
from flask_chainfix.schema.sql.script import read_sql

_HANGS = 60  # seconds for a hundred examples; they take one or two
_GROWS = 2 * 1024**3
_DIALECTS = ("postgresql", "mysql", "sqlite", "mssql", "oracle")

_HEADER = r"""
"" ' '''|revision|down_revision|branch_labels|depends_on| = |: str = |'a'|"b"|None|()|(|)
['a']|{'a'}|,|\n|\r\n|\r|\f|\\|\\\n|;|#|# -*- coding: latin-1 -*-\n|\ufeff|\0|é|Revision ID: a
Revises: |Revises: b|Create Date: 2024-01-01 00:00|import os\n|from a import *\n
def upgrade():\n    |    |pass\n|exec('')|globals()|global revision|op.execute(
op.create_table('t')|op.add_column('t', sa.Column('c'))|f'{x}{x}'|x = 'a'\n|x = x + x\n
x = [x, x]\n|x = f'{x}{x}'\n|'%s%s' % (x, x)|'{0}{0}'.format(x)|x.replace('', 'aa')
for i in range(9999):\n    |if x:\n    |with op.batch_alter_table('t') as b:\n    |lambda a: a
[a for a in x]|**|*|x(|x[0]|-|1|yield|return |class A:\n    |try:\n    |except:\n    |
<<<<<<< HEAD\n|del revision\n|u'a'|b'a'
"""
_SQL = r"""
CREATE |TABLE |INDEX |VIEW |ALTER |DROP |SELECT |INSERT INTO |UPDATE |DELETE FROM |WITH |
MERGE |TRUNCATE|t|a.b|"q"|`q`|[q]|'s'|''|E'\\|q'[|$$|$a$|--|/*|*/|/*!|(|)|,|;|.|*|= |1|:p|%s
%(a)s|\n| |AS |ON |JOIN|CASE |WHEN |END |BEGIN|IF |EXISTS |ARRAY[|::|int |text |REFERENCES |
PRIMARY KEY|FOREIGN KEY|CHECK |SET |FROM|WHERE |GROUP BY |FUNCTION f() |RETURNS |LANGUAGE |
TRIGGER |GO\n|DELIMITER //\n|RENAME TO |COLUMN |ADD |é|\0
"""
_INI = r"""
[alembic]\n|[DEFAULT]\n|[fixchain]\n|[|]|script_location = |version_locations = |
prepend_sys_path = .\n|m|%(here)s|%(a)s|a = |%%|%|:|p:q| |\n|\n    |#|;|sqlalchemy.url = |
sqlite:///x|recursive_version_locations = true|ignore = FC101|intended_bases = |
version_table = |published = |path_separator = os\n|sourceless = |é|\0|\ufeff|[tool.alembic]\n
[tool.fixchain]\n|"m"|["m"]|{a = 1}|'''|""|1979-05-27|1e400|.
"""


_ESCAPES = ((r"\n", "\n"), (r"\r", "\r"), (r"\f", "\f"), (r"\0", "\0"), (r"\ufeff", "\ufeff"))


def _made_of(pieces: str, most: int) -> st.SearchStrategy[str]:
    pieces = pieces.replace("\n", "|")
    for escape, meant in _ESCAPES:
        pieces = pieces.replace(escape, meant)
    known = [piece for piece in pieces.split("|") if piece]
    piece = st.sampled_from(known) | st.text(max_size=3)
    return st.lists(piece, max_size=most).map("".join)


_VARIABLES = ('revision = "a"', 'down_revision = "b"', "branch_labels = None", "depends_on = None")
_LAYOUT = _made_of(_HEADER, 12).map(lambda rest: "\n".join((*_VARIABLES, rest)))


def header(text: str) -> None:
    """The scanner says what the syntax tree says, and what a migration does is found out."""
    data = text.encode(errors="surrogatepass")
    reading = read(data, "a.py")
    assert isinstance(reading, (Header, Unreadable))
    scanned = scan(data)
    if scanned is not None and isinstance(reading, Header):
        judged = judge(data, "a.py")
        assert not isinstance(judged, Unreadable)
        assert scanned[:8] == judged.header[:8]
        assert dict(scanned.spans) == dict(judged.header.spans)
    for direction in ("upgrade", "downgrade"):
        read_footprint(data, direction=direction)


@given(
    _made_of(_SQL, 60), st.sampled_from([None, "postgresql", "mysql", "sqlite", "mssql", "oracle"])
)
def sql(script: str, dialect: str | None) -> None:
    """Every script comes to something."""
    list(read_sql(script, 1, dialect=dialect))


def configuration(text: str, name: str) -> None:
    """Every file is read, or refused in words."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "m/versions").mkdir(parents=True)
        (place / "m/env.py").touch()
        file = place / name
        file.write_bytes(text.encode(errors="surrogatepass"))
        with contextlib.chdir(place) if sys.version_info >= (3, 11) else contextlib.nullcontext():
            script_locations(file)
            with contextlib.suppress(ChainFixError):
                open_config(str(file))


PROPERTIES: dict[Callable[..., None], tuple[st.SearchStrategy[Any], ...]] = {
    header: (_made_of(_HEADER, 40) | _LAYOUT,),
    configuration: (
        _made_of(_INI, 30),
        st.sampled_from(["alembic.ini", "pyproject.toml"]),
    ),
}


def run(tested: Callable[..., None], examples: int, *, derandomize: bool) -> None:
    """Try a property with so many examples."""
    bounded = settings(
        max_examples=examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bounded(given(*PROPERTIES[tested])(tested))()


def main() -> None:
    """Go round and round until the time is over."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_GROWS, _GROWS))
    end = time.monotonic() + float(sys.argv[1])
    rounds = 0
    while time.monotonic() < end:
        for tested in PROPERTIES:
            faulthandler.dump_traceback_later(_HANGS, exit=True)
            run(tested, 100, derandomize=False)
            rounds += 1
    faulthandler.cancel_dump_traceback_later()
    print(f"{rounds * 100:,} examples, 0 faults")


if __name__ == "__main__":
    main()
