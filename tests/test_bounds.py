"""Time and memory stay bounded, whatever somebody has written to take a lot of either."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from flask_chainfix.chain.source import bindings as scopes
from flask_chainfix.chain.source.bindings import names_in
from flask_chainfix.chain.source.body import same_body
from flask_chainfix.chain.source.header import MOST_IDS, read
from flask_chainfix.cli.groups import main
from flask_chainfix.common.errors import BadConfiguration
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.disk import version_locations
from flask_chainfix.environment.locate import open_config
from flask_chainfix.model.files import Header, ProblemKind, Unreadable
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.report import Style, render
from flask_chainfix.schema.python import values
from flask_chainfix.schema.python.footprint_reader import read_footprint
from flask_chainfix.schema.python.values import MOST_STEPS
from tests.commands import fixchain
from tests.disk import environment
from tests.results import checked
from tests.support import chain

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
    "format": ("x = '{0}{1}{2}'.format(x, x, x)", 16),
    "plus": ("x = x + x", 25),
    "augmented": ("x += x", 25),
    "list": ("y = [*y, *y, *y]", 16),
    "tuple": ("y = y + y", 25),
    "starred arguments": ("y = list(*[[*y, *y, *y]])", 16),
    "function": ("x = (lambda *a: f'{a[0]}{a[1]}{a[2]}')(x, x, x)", 16),
}


@pytest.mark.parametrize("kind", GROWING)
def test_a_value_does_not_grow_beyond_what_it_costs(kind: str) -> None:
    line, times = GROWING[kind]
    assert TOO_MUCH in doubts(f"{line}\n" * times + "op.drop_table(x)\nop.drop_table(y[0])")


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of them is spent in a tenth of the time."""
    monkeypatch.setattr(values, "MOST_STEPS", MOST_STEPS // 10)


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
    "joining of ways": "if unknown:\n    y = [*y]\nelse:\n    pass\n",
}


@pytest.mark.parametrize("kind", LOOKING)
@pytest.mark.parametrize(
    "line", ["y = [y, y]", "y = {'a': y, 'b': y}.values()"], ids=("list", "dict")
)
def test_a_look_at_a_value_costs_what_it_holds(kind: str, line: str, few_steps: None) -> None:
    assert TOO_MUCH in doubts(f"{line}\n" * 19 + LOOKING[kind])
    assert TOO_MUCH not in doubts(f"{line}\n" * 10 + LOOKING[kind])


_MANY = f"many = {'a' * 999!r}\n"
ROUNDS = {
    "loops": f"{_MANY}for a in many:\n    for b in many:\n        c = a",
    "long bodies": f"{_MANY}for a in many:\n" + "    a = a\n" * 200,
    "loops that do nothing": f"{_MANY}for a in many:\n    for b in ():\n" + "        a\n" * 200,
    "functions": f"{_MANY}f = lambda a: [a, a]\nfor a in many:\n    for b in many:\n        f(b)",
    "names": "\n".join(f"n{i} = 1" for i in range(2000)) + "\nif unknown: pass" * 2000,
}


@pytest.mark.parametrize("kind", ROUNDS)
def test_every_round_counts(kind: str, few_steps: None) -> None:
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


def test_the_sql_of_a_migration_is_read_up_to_a_length() -> None:
    script = "SELECT 1 -- " + "a" * 64_000
    details = doubts(f"s = {script!r}\n" + "op.execute(s)\n" * 5)
    assert "more SQL than is read of one migration" in details


# --- What is read of a file ----------------------------------------------------------------------

LAYOUT = 'revision = "a"\ndown_revision = None\nbranch_labels = None\ndepends_on = None\n\n\n{}'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a;" * 150_000, "200,000 words and signs"),
        ("a\n" * 150_000, "200,000 words and signs"),
        ("x = [" + "1," * 150_000 + "]", "200,000 words and signs"),
        ("# '''\n" + "a;" * 150_000, "200,000 words and signs"),
        ('x = \'# """\'\n' + "a;" * 150_000, "200,000 words and signs"),
        ("f'{a}'\n'\n" + "a;" * 150_000, "200,000 words and signs"),
        ("def f(): 0\n" * 5_000, "4,000 functions and loops"),
        ("lambda: 0\n" * 5_000, "4,000 functions and loops"),
        (
            f"x = [{(2**61 - 1) * 7}" + f", {(2**61 - 1) * 9}" * 10_000 + "]",
            "10,000 numbers of many digits",
        ),
        ("import " + "a." * 20_000 + "a\n", "100 names in one import"),
        ("from a\\\n" + ".a \\\n" * 20_000 + " import a\n", "100 names in one import"),
        ("x = [0 for a in b]\n" * 5_000, "4,000 functions and loops"),
    ],
)
def test_what_would_take_all_time_or_memory_is_not_parsed(text: str, what: str) -> None:
    data = LAYOUT.format(text).encode()
    reading = read(data, "a.py")
    assert isinstance(reading, Unreadable)
    assert reading.reason == f"has more than {what}, which is more than is read from one migration"
    assert "is more than is read" in read_footprint(data).opaque[0].detail
    assert not same_body(data, data + b"\n")


def test_an_encoding_of_its_own_counts_each_byte() -> None:
    data = b"# coding: utf-7\n" + LAYOUT.format("+" + "AGEAOwBh" * 30_000 + "-").encode()
    assert isinstance(read(data, "a.py"), Unreadable)


def test_much_data_in_strings_is_read() -> None:
    rows = "op.execute('''INSERT INTO t VALUES (1, 'for', \"def\"); -- type''')\n    " * 3_500
    prose = '"""' + "for a class of its type; " * 40_000 + '"""\n'
    data = LAYOUT.format(f"def upgrade():\n    {rows}\n    x = {prose}").encode()
    reading = read(data, "a.py")
    assert isinstance(reading, Header)
    assert reading.revision == "a"


def test_a_merge_point_has_parents_up_to_a_number() -> None:
    for number, most in ((MOST_IDS, True), (MOST_IDS + 1, False)):
        parents = ", ".join(f"'p{i}'" for i in range(number))
        reading = read(f"revision = 'a'\ndown_revision = ({parents})\n".encode(), "a.py")
        assert isinstance(reading, Header) == most
    assert isinstance(reading, Unreadable)
    assert "more than 10,000 ids in down_revision" in reading.reason


@pytest.mark.parametrize(
    "line",
    ["x{1} = x{0} + x{0}", "x{1} = f'{{x{0}}}{{x{0}}}'", "x{1} = (*x{0}, *x{0})",
     "x{1} = (x{0}, x{0})", "x{1} = {{x{0}, (x{0}, x{0})}}"],
)  # fmt: skip
def test_a_header_variable_does_not_double_again_and_again(line: str) -> None:
    first = "x0 = 'a'\n" if "f'" in line or "+" in line else "x0 = ('a', 'b')\n"
    lines = "\n".join(line.format(i, i + 1) for i in range(40))
    reading = read(f"{first}{lines}\nrevision = 'a'\ndown_revision = x40\n".encode(), "a.py")
    assert isinstance(reading, Header)
    (problem,) = reading.problems
    assert problem.kind is ProblemKind.COMPUTED


def test_each_definition_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(node: ast.AST) -> Iterator[ast.Name]:
        asked.append(node)
        return names_in(node)

    monkeypatch.setattr(scopes, "names_in", counted)
    chain = "".join(f"def f{i}():\n    f{i + 1}()\n" for i in range(300))
    text = f"revision = 'a'\ndown_revision = None\n{chain}def f300():\n    exec('')\nf0()\n"
    reading = read(text.encode(), "a.py")
    assert isinstance(reading, Header)
    assert reading.revision is None  # f0() may set it
    assert len([node for node in asked if isinstance(node, ast.FunctionDef)]) == 301


# --- What is read of a configuration -------------------------------------------------------------


def bomb(options: int, references: int) -> str:
    """Options of which each refers to the one before it so many times."""
    lines = [f"a{i} = " + f"%(a{i - 1})s" * references for i in range(1, options)]
    return "\n".join(
        ["[alembic]", "a0 = xxxxxxxxxx", *lines, f"script_location = %(a{options - 1})s"]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(8, 100), "would have more than 100,000 characters"),
        (bomb(3, 400), "would have more than 100,000 characters"),
        ("[DEFAULT]\n" + bomb(8, 100).replace("[alembic]\n", "") + "\n[alembic]\n", "100,000"),
        (
            "[DEFAULT]\n"
            + "".join(f"d{i} = 1\n" for i in range(1_000))
            + "".join(f"[s{i}]\n" for i in range(1_000)),
            "has 1,001 sections, each with 1,000 defaults",
        ),
        # Each of them could begin a name.
        ("[alembic]\nx = a\n" + f"  {'%(' * 2_000}\n" * 250, "would have more than 100,000"),
        ("[alembic]\nx = %%" + bomb(8, 100).partition("\n")[2], "100,000"),
        ("[alembic]\na" + " " * 300_000 + "b\n", "has a line of more than 4,096 characters"),
        ("[alembic]\n" + "a = b\n" * 300_000, "it has more than 1,048,576 bytes"),
    ],
)
def test_an_ini_file_that_would_take_all_memory_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text(text)
    with pytest.raises(BadConfiguration, match=said):
        open_config(str(ini))


@pytest.mark.parametrize(
    "text",
    [
        "[" + "a." * 50_000 + "a]\n",
        "a" + ' . "\\"."' * 50_000 + " = 1\n",
        "b = {a" + ".a" * 200 + " = 1}\n",
    ],
)
def test_a_toml_file_with_endless_keys_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a")
    Path("pyproject.toml").write_text(text)
    done = CliRunner().invoke(main, ["-d", str(place), "check"])
    assert done.exit_code == 3
    assert "pyproject.toml has a key of more than 100 parts" in done.output


def test_strings_of_a_toml_file_may_hold_as_many_points_as_they_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a")
    Path("pyproject.toml").write_text("a = [" + '\'b==1.2.3\', "c\\".d.e", ' * 99 + "]\n")
    assert CliRunner().invoke(main, ["-d", str(place), "check"]).exit_code == 0


def test_ordinary_interpolation_is_read(tmp_path: Path) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text(
        "[alembic]\nplace = %(here)s/m\nscript_location = %(place)s\nfile_template = %%(rev)s\n"
    )
    (tmp_path / "m/versions").mkdir(parents=True)
    (tmp_path / "m/env.py").touch()
    assert open_config(str(ini)).environment.directory == tmp_path / "m"


def test_text_shows_as_many_findings_as_somebody_may_read(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a")
    for number in range(2_500):
        (place / "versions" / f"z{number}.py").touch()
    said = CliRunner().invoke(main, ["-d", str(place), "check", "--verbose"]).output
    assert "and 1,500 more of FC106; --format json lists all" in said
    assert "more lines" in said
    assert said.count("FC106 unreadable-migration") == 1_000
    short = CliRunner().invoke(main, ["-d", str(place), "check"]).output
    assert "and 2,490 more of FC106; --format json lists all" in short
    assert len(short.splitlines()) < 200


def test_findings_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of warnings beside an error would take millions of comparisons."""
    snapshot = chain("a")
    (fault,) = diagnose(chain("b <- gone"))
    warnings = [replace(fault, severity=Severity.WARNING, message=str(n)) for n in range(50)]
    compared = 0

    def compare(one: Finding, other: object) -> bool:
        nonlocal compared
        compared += 1
        return one is other

    monkeypatch.setattr(Finding, "__eq__", compare)
    text = render("text", checked(snapshot, [fault, *warnings]), Style())
    assert "50 warnings (FC103 missing-down-revision)" in text
    assert compared <= len(warnings)


def test_a_sum_of_what_is_computed_is_computed() -> None:
    reading = read(b"revision = 'a'\ndown_revision = f() + g()\n", "a.py")
    assert isinstance(reading, Header)
    assert reading.down_revision is None


def test_more_files_than_anybody_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_locations, "_MOST_FILES", 2)
    place = environment(tmp_path / "migrations", "a", "b <- a")
    assert fixchain("-d", place, "check").exit_code == 0
    (place / "versions" / "c.py").touch()
    done = fixchain("-d", place, "check")
    assert done.exit_code == 3
    assert "holds more than the 2 files that are read" in done.stderr
