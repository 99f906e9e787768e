"""What the module-level names of a migration hold."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from flask_chainfix.schema.python.expressions import assign, evaluate, imported
from flask_chainfix.schema.python.interpreter import Budget, Run
from flask_chainfix.schema.python.values import UNKNOWN, Clause, Foreign, Imported, Local
from flask_chainfix.source import names_bound

_BUILTINS = frozenset(dir(builtins))


class Module:
    """The names of a module, worked out when they are asked for.

    Args:
        tree: the module.
        data: its bytes; a word that does not stand there need not be looked for in the tree.

    Attributes:
        budget: the steps that are left for the file.
        functions: those at module level.
        shared: the names that functions set for others: what they hold when, only running shows.
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
        self.may_yield = b"yield" in data and _has(tree, ast.Yield, ast.YieldFrom)
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
            # What stands for a decorated function, only running would show.
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
        """What a name holds; built-in functions are in ``builtins``."""
        if name not in self._values:
            # Until it is known: a name may be made from itself.
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


def _has(tree: ast.AST, *kinds: type[ast.AST]) -> bool:
    return any(isinstance(node, kinds) for node in ast.walk(tree))


def _changed_in_place(statement: ast.stmt) -> Iterator[str]:
    """The names whose lists or dictionaries a module-level statement may change."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            called = isinstance(node, ast.Attribute) and isinstance(statement, ast.Expr)
            if called or isinstance(node.ctx, ast.Store):
                yield node.value.id


def imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, object]]:
    """The names that an import binds, with what they hold."""
    for alias in statement.names:
        name = alias.name
        if isinstance(statement, ast.ImportFrom):
            name = f"{'.' * statement.level}{statement.module or ''}.{name}"
        elif alias.asname is None:
            name = name.partition(".")[0]
        yield alias.asname or name.rpartition(".")[2], imported(name)


def table_of_class(run: Run, node: ast.ClassDef) -> object:
    """What SQL made of a mapped class uses: its table. Of any other class just that it is one."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and "__tablename__" in names_bound(statement):
            name = evaluate(run, statement.value)
            return Clause((run.table(name),) if isinstance(name, str) else ())
    return Foreign(node.name)
