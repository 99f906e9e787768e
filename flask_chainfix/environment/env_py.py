"""What an ``env.py`` sets, as far as its literals show; the file is never run."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from flask_chainfix.chain.source.literals import CANNOT_COMPILE, Computed, evaluate, parse
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular

CANNOT_READ = (OSError, *CANNOT_COMPILE)


def uses_flask_app(path: Path) -> bool:
    """Whether an ``env.py`` works in the context of a Flask app, as Flask-Migrate's do.

    A comment or string that mentions it is not enough, if the file can be parsed.
    """
    try:
        data = read_regular(path, LARGEST_CODE)
        if b"current_app" not in data:
            return False
        tree = parse(data)
    except OSError:
        return False
    except CANNOT_READ:
        return True
    return any(
        (isinstance(node, ast.Name) and node.id == "current_app")
        or (isinstance(node, ast.Attribute) and node.attr == "current_app")
        or (isinstance(node, ast.alias) and node.name.rpartition(".")[2] == "current_app")
        for node in ast.walk(tree)
    )


class EnvPy:
    """The syntax tree of an ``env.py``, and the values of its module-level names, if certain."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises one of ``CANNOT_READ``."""
        self.path = path
        self._tree = parse(read_regular(path, LARGEST_CODE))
        # A name with another binding has an unknown value.
        bound = Counter(_names_bound(self._tree))
        self._held = {name: node for name, node in self._assigned().items() if bound[name] == 1}

    def mentions(self, option: str) -> int:
        """How often the name of an Alembic option occurs as a string."""
        return sum(
            isinstance(node, ast.Constant) and node.value == option for node in ast.walk(self._tree)
        )

    def uses(self, words: Collection[str]) -> bool:
        """Whether any word occurs in a name or a string; comments and docstrings do not count."""
        prose = {id(node.value) for node in ast.walk(self._tree) if isinstance(node, ast.Expr)}
        texts = (
            text.casefold()
            for node in ast.walk(self._tree)
            if id(node) not in prose
            for _, text in ast.iter_fields(node)
            if isinstance(text, str)
        )
        return any(word in text for text in texts for word in words)

    def written(self, option: str) -> Iterator[tuple[ast.AST, ast.expr]]:
        """The places where an option is set, and its value there."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.keyword) and node.arg == option:
                yield node, node.value
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == option:
                        yield key, value
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                key = node.targets[0].slice
                if isinstance(key, ast.Constant) and key.value == option:
                    yield key, node.value

    def calls(self, function: str) -> Iterator[dict[str | None, ast.expr]]:
        """The keyword arguments of each call of a function or method of this name."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else called
                if name == function or (isinstance(name, ast.Name) and name.id == function):
                    yield {keyword.arg: keyword.value for keyword in node.keywords}

    def origin(self, node: ast.expr) -> ast.expr:
        """The expression that a name was assigned, if certain; otherwise the expression itself."""
        return self._held.get(node.id, node) if isinstance(node, ast.Name) else node

    def value(self, node: ast.expr) -> object:
        """The value of an expression: a constant, a tuple, or ``Computed``."""
        return evaluate(node, self._look_up)

    def _look_up(self, name: str) -> object:
        node = self._held.get(name)
        return node.value if isinstance(node, ast.Constant) else Computed(f"is computed ({name})")

    def _assigned(self) -> dict[str, ast.expr]:
        assigned: dict[str, ast.expr] = {}
        for node in self._tree.body:
            if "*" in _names_bound(node):  # a star import, which may bind any name
                assigned.clear()
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                assigned.update({node.target.id: node.value} if node.value else {})
        return assigned


def _names_bound(tree: ast.AST) -> Iterator[str]:
    """Every name that is bound anywhere below, whatever the scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(name := getattr(node, "name", None), str):  # def, class, except, match
            yield name
