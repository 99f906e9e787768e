"""From the bytes of a migration to its footprint."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator

from flask_chainfix.schema.footprint import Footprint, Opaque
from flask_chainfix.schema.python.expressions import assign, evaluate, imports, table_of_class
from flask_chainfix.schema.python.interpreter import Budget, Run, TooMuch
from flask_chainfix.schema.python.statements import follow
from flask_chainfix.schema.python.values import UNKNOWN, Arguments, Imported, Local
from flask_chainfix.source import CANNOT_COMPILE, excess, names_bound, parse


def read_footprint(
    data: bytes,
    *,
    dialect: str | None = None,
    local: Collection[str] = (),
    direction: str = "upgrade",
    bind: str | None = None,
) -> Footprint:
    """Find out what a migration does to the schema, without running it.

    The function's statements are followed as they would run: constants are evaluated, loops over
    literals unrolled, helper functions of the same file entered. Whatever depends on anything else
    is either uncertain (it may or may not happen) or opaque (it cannot be known).

    Args:
        data: the file's bytes.
        dialect: SQLAlchemy's name of the database's dialect, for SQL; ``None`` if unknown.
        local: the top-level modules of the migration's own project, which may do anything, whatever
            their names.
        direction: ``upgrade`` or ``downgrade``.
        bind: the database that it runs on, in a multi-database environment; ``None`` for each.
    """
    if (too_much := excess(data)) is not None:
        return _all_opaque(f"a file that {too_much.reason}")
    try:
        module = Module(parse(data), data)
    except CANNOT_COMPILE:
        return _all_opaque("a file that is no valid Python for this interpreter")
    function = module.functions.get(direction)
    if function is None:
        return _all_opaque(f"{direction}() is not defined in the file itself")
    parts = {"": function}
    if function.args.args:  # as Flask-Migrate's template for several databases writes them
        prefix = f"{direction}_"
        binds = [name for name in module.functions if name.startswith(prefix)]
        parts = {name[len(prefix) :]: module.functions[name] for name in binds} or parts
        if bind is not None and binds:
            parts = {bind: parts[bind]} if bind in parts else {}
    found = Footprint()
    for database, part in parts.items():
        run = Run(module, follow, dialect, database, local)
        try:
            run.call(Local(part), Arguments([], {}, part.lineno))
        except (TooMuch, RecursionError, ValueError):
            run.doubt("too much to be followed", part.lineno)
        more, before = run.footprint, len(found.effects)
        found = Footprint(
            found.effects + more.effects,
            (*found.opaque, *(one._replace(place=one.place + before) for one in more.opaque)),
            (*found.unnamed, *((table, place + before) for table, place in more.unnamed)),
            found.rows + more.rows,
            found.hidden + more.hidden,
        )
    return found


def _all_opaque(detail: str) -> Footprint:
    return Footprint((), (Opaque(detail, 1),))


# --- What the module-level names hold --------------------------------------------------------
_BUILTINS = frozenset(dir(builtins))


class Module:
    """The names of a module, evaluated on demand.

    Args:
        tree: the module.
        data: its bytes, to skip searching the tree for words that are not in them.

    Attributes:
        budget: the steps that are left for the file.
        functions: the functions at module level.
        shared: the names that functions set for others; their values are known only at runtime.
        may_yield: whether a function may be a generator.
    """

    def __init__(self, tree: ast.Module, data: bytes) -> None:
        self.budget = Budget()
        self._values: dict[str, object] = {}
        self._assignments: dict[str, ast.Assign | ast.AnnAssign] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        for statement in tree.body:
            self._bind(statement)
        yields = (isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(tree))
        self.may_yield = b"yield" in data and any(yields)
        self.shared: frozenset[str] = frozenset()
        if b"global" in data or b"nonlocal" in data:
            self.shared = frozenset(
                name
                for node in ast.walk(tree)
                if isinstance(node, (ast.Global, ast.Nonlocal))
                for name in node.names
            )
        self._doubt(iter(self.shared))

    def _bind(self, statement: ast.stmt) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._values.update(imports(statement))
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.functions[statement.name] = statement
            # What a decorator returns is known only at runtime.
            self._values[statement.name] = UNKNOWN if statement.decorator_list else Local(statement)
        elif isinstance(statement, ast.ClassDef):
            self._classes[statement.name] = statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            for name in names_bound(statement):
                self._values.pop(name, None)
                self._assignments[name] = statement
            if not isinstance(statement.value, ast.Constant):
                self._doubt(_changed_in_place(statement))
        elif isinstance(statement, ast.Expr):
            self._doubt(_changed_in_place(statement))
        else:
            self._doubt(names_bound(statement))

    def _doubt(self, names: Iterator[str]) -> None:
        self._values.update(dict.fromkeys(names, UNKNOWN))

    def value(self, run: Run, name: str) -> object:
        """The value of a name; built-in functions are in ``builtins``."""
        if name not in self._values:
            # Until it is known, because a name may depend on itself.
            self._values[name] = UNKNOWN
            self._values[name] = self._work_out(run, name)
        return self._values[name]

    def _work_out(self, run: Run, name: str) -> object:
        assignment = self._assignments.get(name)
        if assignment is not None and assignment.value is not None:
            single = [assignment.target] if isinstance(assignment, ast.AnnAssign) else None
            with run.elsewhere():
                value = evaluate(run, assignment.value)
                for target in single or assignment.targets:  # type: ignore[union-attr]
                    assign(run, target, value)
                return run.names.get(name, UNKNOWN)
        if name in self._classes:
            return table_of_class(run, self._classes[name])
        return Imported(f"builtins.{name}") if name in _BUILTINS else UNKNOWN


def _changed_in_place(statement: ast.stmt) -> Iterator[str]:
    """The names whose lists or dictionaries a module-level statement may change."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            called = isinstance(node, ast.Attribute) and isinstance(statement, ast.Expr)
            if called or isinstance(node.ctx, ast.Store):
                yield node.value.id
