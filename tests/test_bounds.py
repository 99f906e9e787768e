"""Time and memory stay bounded, whatever somebody has written to take a lot of either."""

from __future__ import annotations

import pytest

from flask_chainfix.footprint import read_footprint
from flask_chainfix.footprint.budget import MOST_STEPS

TOO_MUCH = "too much to be followed"


def doubts(body: str) -> list[str]:
    """What is said of an ``upgrade()`` that begins with ``x = 'a'``, ``y = ['a']``, ``z = {}``."""
    lines = ["from alembic import op", "import json", "", "def upgrade():"]
    lines += [f"    {line}" for line in ("x = 'a'", "y = ['a']", "z = {'a': 'a'}")]
    lines += [f"    {line}" for line in body.splitlines()]
    return [doubt.detail for doubt in read_footprint("\n".join(lines).encode()).opaque]


# Without a bound, the last value of each holds 20 to 100 million characters or elements.
GROWING = {
    "f-string": ("x = f'{x}{x}{x}'", 16),
    "nested f-string": ("x = f'{f\"{x}{x}\"}{x}'", 16),
    "f-string with a gap": ("x = f'{x}{x}{x}{unknown}'", 16),
    "percent": ("x = '%s%s%s' % (x, x, x)", 16),
    "percent of what is quoted": ("x = '%r%r%r' % (x, x, x)", 16),
    "percent with a gap": ("x = '%s%s%s%s' % (x, x, x, unknown)", 16),
    "percent of a list": ("x = '%s' % ([x, x, x],)", 16),
    "format": ("x = '{0}{0}{0}'.format(x)", 16),
    "format by name": ("x = '{a}{a}{a}'.format(a=x)", 16),
    "format with a gap": ("x = '{0}{0}{0}{1}'.format(x, unknown)", 16),
    "plus": ("x = x + x", 25),
    "augmented": ("x += x", 25),
    "join": ("x = ''.join([x, x, x])", 16),
    "separator": ("x = x.join(['', '', '', ''])", 16),
    "join of characters": ("x = x.join('aaaa')", 16),
    "replace": ("x = x.replace('a', 'aaa')", 16),
    "replace nothing": ("x = x.replace('', 'aa')", 16),
    "list": ("y = [*y, *y, *y]", 16),
    "tuple": ("y = y + y", 25),
    "extend": ("y.extend(y)", 25),
    "starred arguments": ("y = list(*[[*y, *y, *y]])", 16),
    "comprehension": ("y = [v for v in y + y + y]", 16),
    "function": ("x = (lambda *a: f'{a[0]}{a[1]}{a[2]}')(x, x, x)", 16),
    "str": ("x = str([x, x, x])", 16),
}


@pytest.mark.parametrize("kind", GROWING)
def test_a_value_does_not_grow_beyond_what_it_costs(kind: str) -> None:
    line, times = GROWING[kind]
    assert TOO_MUCH in doubts(f"{line}\n" * times + "op.drop_table(x)\nop.drop_table(y[0])")


# A list that holds another twice has two elements, and holds millions of values.
LOOKING = {
    "call": "str(y)",
    "argument of an operation": "op.bulk_insert(t, y)",
    "argument by name": "op.f(a=y)",
    "expression": "-y[0]",
    "comparison": "y == y",
    "choice": "1 if y else 2",
    "if": "if y: pass",
    "subscript": "z[y]",
    "key": "{y: 1}",
    "percent": "'%s' % y",
    "format": "'{}'.format(y)",
    "joining of ways": "if unknown:\n    y = [*y]\nelse:\n    pass\n",
}


@pytest.mark.parametrize("kind", LOOKING)
@pytest.mark.parametrize(
    "line", ["y = [y, y]", "y = {'a': y, 'b': y}.values()"], ids=("list", "dict")
)
def test_a_look_at_a_value_costs_what_it_holds(kind: str, line: str) -> None:
    assert TOO_MUCH in doubts(f"{line}\n" * 22 + LOOKING[kind])


ROUNDS = {
    "loops": "for a in range(9999):\n    for b in range(9999):\n        c = a",
    "long bodies": "for a in range(9999):\n" + "    a = a\n" * 200,
    "loops that do nothing": ("for a in range(9999):\n    for b in ():\n" + "        a\n" * 200),
    "map": "list(map(lambda a: list(map(lambda b: b, range(9999))), range(9999)))",
    "comprehensions": "[[b for b in range(9999)] for a in range(9999)]",
    "functions": "f = lambda a: [a, a]\n" * 2
    + "[f([f(b) for b in range(99)]) for a in range(999)]",
    "names": "\n".join(f"n{i} = 1" for i in range(2000)) + "\nif unknown: pass" * 2000,
    "lists that change": "for a in range(9999):\n    y.append(a)\n    for b in y: pass",
}


@pytest.mark.parametrize("kind", ROUNDS)
def test_every_round_counts(kind: str) -> None:
    assert TOO_MUCH in doubts(ROUNDS[kind])


def test_what_is_found_before_the_steps_are_spent_stays() -> None:
    body = "op.drop_table('a')\n" + "x = f'{x}{x}{x}'\n" * 40
    found = read_footprint(
        f"def upgrade():\n    x = 'a'\n    {body.replace(chr(10), chr(10) + '    ')}\n".encode()
    )
    assert [doubt.detail for doubt in found.opaque][-1] == TOO_MUCH


def test_ordinary_migrations_take_a_small_part_of_the_steps() -> None:
    rows = ",".join(f"{{'id': {i}, 'name': 'n{i}', 'at': None}}" for i in range(2_000))
    body = f"rows = [{rows}]\nop.bulk_insert(t, rows)\nfor row in rows:\n"
    body += "    op.execute(f\"INSERT INTO t VALUES ({row['id']}, '{row['name']}')\")\n"
    assert MOST_STEPS == 1_000_000
    assert TOO_MUCH not in doubts(body)


def test_comments_in_sql_have_one_end() -> None:
    # 2^40 ways to read these, for whoever lets a comment end at any of the ends behind it.
    assert doubts('op.execute(f"' + "/**/" * 40 + '1{unknown}")') == ["SQL that is computed"]


def test_the_sql_of_a_migration_is_read_up_to_a_length() -> None:
    script = "SELECT 1 -- " + "a" * 64_000
    details = doubts(f"s = {script!r}\n" + "op.execute(s)\n" * 5)
    assert "more SQL than is read of one migration" in details
