"""Which tables the names in a query stand for, where that is certain."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flask_chainfix.footprint.sql.cursor import Name
from flask_chainfix.footprint.sql.tokens import words

# What has tables of its own, by which the names inside are found.
_OWNERS = (exp.Select, exp.Insert, exp.Update, exp.Delete, exp.Merge)
# What a query may stand in and still see no tables but its own.
_STANDS_ALONE_IN = (
    exp.CTE,
    exp.Except,
    exp.Insert,
    exp.Intersect,
    exp.Subquery,
    exp.Union,
)
# What reads like a column and is none, in one database or another.
_NO_COLUMNS = words(
    """
    _rowid_ cmax cmin ctid current_catalog current_date current_role current_schema current_time
    current_timestamp current_user day dayofyear dd default epoch hour hh iso isodow level localtime
    localtimestamp maxvalue mi microsecond millisecond minute mm month ms nextval now null oid
    ora_rowscn quarter rowid rowcount rownum second session_user sqlcode sqlerrm ss sysdate
    system_user systimestamp tableoid uid unknown user utc_date utc_time utc_timestamp value week
    weekday xmax xmin year yy yyyy
    """
)


class Scopes:
    """The tables of a statement, and what its columns belong to.

    Attributes:
        tables: the tables that the statement does not make itself; one that it changes comes first.
    """

    def __init__(self, root: exp.Expr) -> None:
        self._root = root
        self._sources: dict[int, dict[str, Name | None]] = {}
        self.tables: list[Name] = []
        targets: list[exp.Table] = []
        for table in root.find_all(exp.Table, bfs=False):
            if _is_target(table):
                targets.append(table)
            elif not isinstance(table.parent, (exp.Into, exp.Lock)):
                self._add(table)
        for source in _other_sources(root):
            self._note(source, _alias(source), None)
        for table in targets:
            # It may be an alias: UPDATE x SET … FROM t AS x, DELETE x FROM t AS x.
            others = self._sources.get(id(table.parent), {})
            if table.args.get("db") is not None or name_of(table.this) not in others:
                self._add(table, first=True)

    def columns(self, *, quotes_tell: bool) -> Iterator[tuple[Name, str]]:
        """The columns whose table is certain.

        Args:
            quotes_tell: whether what stands in double quotes is certain to be a name.
        """
        for schema in self._root.find_all(exp.Schema):
            if isinstance(schema.this, exp.Table) and isinstance(schema.parent, exp.Insert):
                for name in schema.expressions:
                    yield _named(schema.this), name_of(name)
        written = self._written()
        for column in self._root.find_all(exp.Column, bfs=False):
            if not isinstance(column.this, exp.Identifier) or _names_collation(column):
                continue
            qualifier = column.args.get("table")
            if qualifier is not None:
                table = self._qualified(column, name_of(qualifier))
            elif id(column) in written:
                table = written[id(column)]
            elif quotes_tell or not column.this.args.get("quoted"):
                table = self._unqualified(column)
            else:
                table = None
            if table is not None:
                yield table, name_of(column.this)

    def _add(self, table: exp.Table, *, first: bool = False) -> None:
        known = isinstance(table.this, exp.Identifier) and not _is_cte(table)
        name = _named(table) if known else None
        self._note(table, _alias(table) or name_of(table.this), name)
        if name is not None:
            self.tables.insert(0 if first else len(self.tables), name)

    def _note(self, source: exp.Expr, key: str, name: Name | None) -> None:
        sources = self._sources.setdefault(id(_owner(source)[0]), {})
        # Two that are called the same, in two schemas: which one is meant cannot be told.
        sources[key] = name if sources.get(key, name) == name else None

    def _qualified(self, column: exp.Column, key: str) -> Name | None:
        schema = column.args.get("db")
        owner, _ = _owner(column)
        while owner is not None:
            sources = self._sources.get(id(owner), {})
            if key in sources:
                table = sources[key]
                right = table is None or schema is None or name_of(schema) == table.schema
                return table if right else None
            owner, _ = _owner(owner)
        return None

    def _unqualified(self, column: exp.Column) -> Name | None:
        owner, place = _owner(column)
        sources = self._sources.get(id(owner), {})
        if not isinstance(owner, (exp.Select, exp.Update, exp.Delete)) or len(sources) != 1:
            return None
        name = name_of(column.this)
        if name in sources or (not column.this.args.get("quoted") and name in _NO_COLUMNS):
            return None
        if isinstance(owner, exp.Select) and place != "expressions":
            results = {_alias(result) for result in owner.expressions}
            if name in results:
                return None
        return next(iter(sources.values())) if _stands_alone(owner) else None

    def _written(self) -> dict[int, Name | None]:
        """The columns that values are assigned to, by their identity, and their table."""
        written: dict[int, Name | None] = {}
        for change in self._root.find_all(exp.Update, exp.Insert):
            target = change.args.get("this")
            owner: exp.Expr | None = change
            if not isinstance(target, (exp.Table, exp.Schema)):
                owner = change.find_ancestor(exp.Merge)
                target = owner.this if owner is not None else None
            if not isinstance(target, exp.Table) or target.args.get("joins"):
                continue
            sources = self._sources.get(id(owner), {})
            table = sources.get(_alias(target) or name_of(target.this))
            for column in _assigned(change):
                written[id(column)] = table
        return written


def name_of(node: object) -> str:
    """The name that an identifier spells; ``""`` for anything else."""
    if not isinstance(node, exp.Identifier):
        return ""
    # sqlglot takes the # of Transact-SQL's temporary tables off.
    marks = "#" * bool(node.args.get("temporary")) + "##" * bool(node.args.get("global"))
    name = f"{marks}{node.this}"
    return name if node.args.get("quoted") else name.lower()


def _named(table: exp.Table) -> Name:
    return Name(name_of(table.args.get("db")), name_of(table.this))


def _alias(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    return name_of(alias.this if isinstance(alias, exp.TableAlias) else alias)


def _owner(node: exp.Expr) -> tuple[exp.Expr | None, str]:
    """What a node belongs to, and the part of it that it stands in."""
    while node.parent is not None:
        place, node = node.arg_key or "", node.parent
        if isinstance(node, _OWNERS):
            return node, place
    return None, ""


def _is_target(table: exp.Table) -> bool:
    """Whether a table stands where the statement says what it changes."""
    if isinstance(table.parent, exp.Delete):
        return table.arg_key == ("tables" if table.parent.args.get("tables") else "this")
    return isinstance(table.parent, exp.Update) and table.arg_key == "this"


def _other_sources(root: exp.Expr) -> Iterator[exp.Expr]:
    """What queries take rows from that are no tables: subqueries, values, functions."""
    for node in root.find_all(exp.From, exp.Join, exp.Lateral, exp.Delete, exp.Merge):
        if isinstance(node, exp.Lateral):
            yield node
            continue
        using = node.args.get("using") if isinstance(node, (exp.Delete, exp.Merge)) else node.this
        for source in using if isinstance(using, list) else [using]:
            if isinstance(source, exp.Expression) and not isinstance(source, exp.Table):
                yield source


def _assigned(change: exp.Expr) -> Iterator[exp.Expr]:
    """The columns on the left of an UPDATE, or in the list of a MERGE's INSERT."""
    if isinstance(change, exp.Insert):
        places = [change.this]
    else:
        places = [one.this for one in change.expressions if isinstance(one, exp.EQ)]
    for place in places:
        inner = place.expressions if isinstance(place, exp.Tuple) else [place]
        for column in inner:
            unwrapped = column.this if isinstance(column, (exp.Bracket, exp.Paren)) else column
            if isinstance(unwrapped, exp.Column):
                yield unwrapped


def _is_cte(table: exp.Table) -> bool:
    """Whether a name stands for a common table expression."""
    name = name_of(table.this)
    node: exp.Expr = table
    inside: exp.Expr | None = None
    while table.args.get("db") is None and node.parent is not None:
        child, node = node, node.parent
        if isinstance(node, exp.With):
            # An expression sees those before it, and itself where it is recursive.
            for cte in node.expressions:
                if cte is child and not node.args.get("recursive"):
                    break
                if _alias(cte) == name:
                    return True
            inside = node
            continue
        for clause in node.args.values():
            seen = (
                clause.expressions if isinstance(clause, exp.With) and clause is not inside else ()
            )
            if any(_alias(cte) == name for cte in seen):
                return True
    return False


def _stands_alone(node: exp.Expr) -> bool:
    """Whether a query sees no tables but its own."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, (exp.With, exp.From, exp.Join)) and node.parent is not None:
            node = node.parent
        elif not isinstance(node, _STANDS_ALONE_IN):
            return False
    return True


def _names_collation(column: exp.Column) -> bool:
    return isinstance(column.parent, exp.Collate) and column.arg_key == "expression"
