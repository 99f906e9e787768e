"""Read a schema from SQLite's pragmas and the stored SQL of its objects.

Names of constraints, checks, collations and generated columns are only in this SQL. SQLite has
parsed it, so it is valid, and it is enough to find where each clause begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from flask_chainfix.schema.footprint import Kind
from flask_chainfix.schema.reflected import Described, Unread, column, constraint, index, relation

SCHEMAS = "SELECT name FROM pragma_database_list WHERE name IN :exact OR lower(name) IN :folded"
_OBJECTS = """
SELECT type, name, tbl_name, sql FROM {}.sqlite_master
WHERE type IN ('table', 'view', 'index') AND sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%'
ESCAPE '\\'
"""
_COLUMNS = 'SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(:t, :s)'
_HIDDEN = 1  # columns of virtual tables that are arguments

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
    r"""|[\w$.]+|<=|>=|<>|!=|==|\|\||<<|>>|->>?|.""",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\W\d]\w*")
_OF_TABLE = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_BEGINNINGS = _OF_TABLE | {"NOT", "NULL", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"}
# What a word that begins a clause goes on with where it stands behind these.
_GOING_ON = frozenset({("NOT", "NULL"), ("SET", "NULL"), ("SET", "DEFAULT"), ("ALWAYS", "AS")})
_KEYWORD = re.compile(
    "action|always|and|as|asc|autoincrement|between|cascade|check|collate|conflict|default"
    "|deferrable|deferred|delete|desc|exists|foreign|from|generated|ignore|immediate|in|initially"
    "|is|key|like|match|no|not|null|on|or|primary|references|restrict|rowid|select|set|stored"
    "|strict|unique|update|virtual|where|without",
    re.IGNORECASE,
)


def default_schema(_: Connection) -> str:
    """The file itself, without attached databases."""
    return "main"


def objects(
    connection: Connection,
    schemas: Sequence[str],
    answered: Callable[[], None],
    only: Set[str] | None = None,
    *,
    partly: bool = False,
) -> Mapping[str, Sequence[Described | Unread]]:
    """The objects of some schemas: all of them, or those of some tables."""
    return {each: [*_objects(connection, each, answered, only)] for each in schemas}


def _objects(
    connection: Connection, schema: str, answered: Callable[[], None], only: Set[str] | None
) -> Iterator[Described | Unread]:
    place = connection.dialect.identifier_preparer.quote_identifier(schema)
    for kind, name, table, sql in connection.execute(text(_OBJECTS.format(place))).all():
        if only is not None and table not in only:
            continue
        words = _tokens(sql)
        if kind == "index":
            unique = "UNIQUE " if words[1].upper() == "UNIQUE" else ""
            yield index(table, name, unique + _joined(words[words.index("(") :]))
        elif kind == "view":
            query = words[[word.upper() for word in words].index("AS") + 1 :]
            yield relation(name, {"type": "view", "query": _joined(query)})
            yield from _columns(connection, schema, name, {})
        elif words[1].upper() == "VIRTUAL":
            module = words[[word.upper() for word in words].index("USING") + 1 :]
            yield relation(name, {"type": "virtual table", "module": _joined(module)})
            yield from _columns(connection, schema, name, {})
        else:
            yield from _table(connection, schema, name, words)
        answered()


def _table(
    connection: Connection, schema: str, name: str, words: Sequence[str]
) -> Iterator[Described | Unread]:
    items, options = _items(words[words.index("(") :])
    yield relation(name, {"type": "table", "options": _joined(options)})
    more: dict[str, dict[str, str]] = {}
    for item in items:
        clauses = _clauses(item)
        of_column = "" if clauses[0][0].upper() in _OF_TABLE else _bare(clauses[0][0])
        called = ""
        for clause in clauses[1:] if of_column else clauses:
            first = clause[0].upper()
            if first == "CONSTRAINT":
                called = _bare(clause[1])
                continue
            if first in ("GENERATED", "AS"):
                computed = clause[clause.index("(") :]
                more.setdefault(of_column, {})["computed"] = _joined(computed)
            elif first == "COLLATE":
                more.setdefault(of_column, {})["collation"] = _bare(clause[1]).upper()
            elif first not in ("NULL", "DEFAULT") and (first != "NOT" or len(clause) > 2):
                yield constraint(name, called, _definition(clause, of_column))
            called = ""
    yield from _columns(connection, schema, name, more)


def _columns(
    connection: Connection, schema: str, table: str, more: dict[str, dict[str, str]]
) -> Iterator[Described | Unread]:
    """The columns of a table or a view, as far as SQLite can read them."""
    try:
        rows = connection.execute(text(_COLUMNS), {"t": table, "s": schema}).all()
    except DBAPIError as error:
        yield Unread(f"the columns of {table}: {error.orig}", frozenset({Kind.COLUMN}), table)
        return
    for name, type_, is_required, default, hidden in rows:
        if hidden == _HIDDEN:
            continue
        known = more.get(name, {})
        yield column(
            table,
            name,
            " ".join(type_.upper().split()),
            nullable=not is_required,
            default=_joined(_tokens(default or "")),
            computed=known.get("computed"),
            collation=known.get("collation"),
        )


# --- Statements ----------------------------------------------------------------------------------
def _tokens(sql: str) -> list[str]:
    """The words of a statement, without spaces and comments."""
    found = _TOKEN.findall(sql)
    return [each for each in found if not each.isspace() and each[:2] not in ("--", "/*")]


def _bare(word: str) -> str:
    """A name without its quotes."""
    if word[:1] in "\"`'":
        return word[1:-1].replace(word[0] * 2, word[0])
    return word[1:-1] if word.startswith("[") else word


def _items(words: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The contents of the first parentheses, split at commas, and what follows the parentheses."""
    items: list[list[str]] = [[]]
    depth = 0
    for number, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return items, list(words[number + 1 :])
        if depth == 1 and word == ",":
            items.append([])
        elif number:
            items[-1].append(word)
    return items, []


def _clauses(item: Sequence[str]) -> list[list[str]]:
    """The clauses of a column or constraint; the first one of a column is its name and type."""
    clauses: list[list[str]] = []
    depth = 0
    for number, word in enumerate(item):
        upper, before = word.upper(), item[number - 1].upper() if number else ""
        begins = number == 0 or (
            depth == 0
            and upper in _BEGINNINGS
            and (before, upper) not in _GOING_ON
            and (len(clauses[-1]) > 1 or before not in ("DEFAULT", "CONSTRAINT"))
            and [each.upper() for each in item[number : number + 2]] != ["NOT", "DEFERRABLE"]
            and not (upper == "REFERENCES" and clauses[-1][0].upper() == "FOREIGN")
        )
        if begins:
            clauses.append([])
        clauses[-1].append(word)
        depth += (word == "(") - (word == ")")
    return clauses


def _definition(clause: Sequence[str], of_column: str) -> str:
    """A constraint as one of the table, even if it follows a column."""
    first = clause[0].upper()
    if of_column and first == "REFERENCES":
        return f"FOREIGN KEY ({of_column}) {_joined(clause)}"
    if of_column and first in ("PRIMARY", "NOT", "UNIQUE"):
        number = 1 if first == "UNIQUE" else 2
        return f"{_joined(clause[:number])} ({of_column}) {_joined(clause[number:])}".strip()
    return _joined(clause)


def _joined(words: Sequence[str]) -> str:
    """Words in a uniform spelling: names without unnecessary quotes, and regular spaces."""
    text_ = ""
    before = "("
    for word in words:
        if word[0] in '"`[':
            name = _bare(word)
            spelled = name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
        else:
            spelled = word.upper() if _KEYWORD.fullmatch(word) else word
        close = spelled in (",", ")", ".") or before in ("(", ".")
        if spelled == "(":
            close = before == "(" or not (_KEYWORD.fullmatch(before) or before[-1] in ",=<>|+-*/)")
        text_ += spelled if close else f" {spelled}"
        before = spelled
    return text_
