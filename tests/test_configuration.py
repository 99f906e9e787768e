"""Alembic's configuration as it is read here, beside what Alembic itself makes of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.environment.configuration import Options, alembic_version
from flask_chainfix.environment.locate import ScriptPlace, locate, read_plainly

from .nightly import examples

READ_HERE, KNOWS_TOML = alembic_version() >= (1, 17), alembic_version() >= (1, 16)
# The options that say where migrations are, and some that Alembic reads as well.
NAMES = (
    "script_location",
    "version_locations",
    "path_separator",
    "version_path_separator",
    "prepend_sys_path",
    "recursive_version_locations",
    "sourceless",
    "file_template",
    "truncate_slug_length",
    "timezone",
    "output_encoding",
    "sqlalchemy.url",
)


class Files(NamedTuple):
    """What a working directory holds: the two files, and the section that is asked for."""

    ini: str | None = None
    toml: str | None = None
    section: str = "alembic"


def ini(*lines: str) -> Files:
    return Files("\n".join(("[alembic]", *lines, "")))


def toml(*lines: str) -> Files:
    return Files(None, "\n".join(("[tool.alembic]", *lines, "")))


M = "script_location = migrations"
T = 'script_location = "migrations"'
HOOK = "[post_write_hooks]\nhooks = black\nblack.type = console_scripts\nblack.cwd = %(here)s"
PLAIN = [
    ini(M),
    ini("script_location = %(here)s/migrations", "sqlalchemy.url = sqlite:///%(here)s/x.db"),
    ini("script_location: ./migrations/../migrations", "# a comment"),
    ini("script_location = ${here}"),
    ini(M, "version_locations = one two/versions"),
    ini(M, "version_locations = one, two/versions,  three   four"),
    ini(M, "version_locations = %(here)s/one:two", "path_separator = :"),
    ini(M, "version_locations = one;two", "path_separator = ;"),
    ini(M, "version_locations = one; two ;;", "path_separator = ;"),
    ini(M, "version_locations = one two", "path_separator = space"),
    ini(M, "version_locations =", "  one", "  a b", "path_separator = newline"),
    ini(M, f"version_locations = one{os.pathsep}two", "path_separator = os"),
    ini(M, "version_locations = one:two", "version_path_separator = :"),
    ini(M, "version_locations = a;b", "version_path_separator = :", "path_separator = ;"),
    ini(M, "version_locations = a\\one b\\two", "path_separator = newline"),
    ini(M, "path_separator = os"),
    ini("script_location = migrations\\x"),
    ini(M, "prepend_sys_path = ."),
    ini("prepend_sys_path = lib, other", "script_location = pkg:migrations"),
    ini("prepend_sys_path = other:lib", "path_separator = :", "script_location = pkg:migrations"),
    ini("prepend_sys_path = lib", M, "version_locations = one pkg:more"),
    ini(M, "recursive_version_locations = true", "sourceless = true"),
    ini(M, "recursive_version_locations = True", "sourceless = yes"),
    ini(M, "file_template = %%(year)d_%%(rev)s", "truncate_slug_length = 20", "timezone = UTC"),
    ini(M, "truncate_slug_length = 0", "output_encoding = latin-1"),
    ini(M, HOOK),
    Files(f"[DEFAULT]\nsourceless = true\n[alembic]\n{M}\n"),
    Files(f"[DEFAULT]\nhere = elsewhere\n[alembic]\n{M}\nversion_locations = %(here)s/x\n"),
    Files(f"[one]\n{M}\n[other]\nscript_location = other\n", section="other"),
    toml(T),
    toml('script_location = "%(here)s/migrations"', "sourceless = true"),
    toml(
        T, 'version_locations = ["one", "%(here)s/two", "a b"]', "recursive_version_locations=true"
    ),
    toml(T, "version_locations = []", "sourceless = false"),
    toml('prepend_sys_path = ["lib"]', 'script_location = "pkg:migrations"'),
    toml(T, 'file_template = "%%(rev)s"', "truncate_slug_length = 9", 'path_separator = "what"'),
    toml(T, "[[tool.alembic.post_write_hooks]]", 'name = "black"', 'cwd = "%(here)s"'),
    Files("[other]\n", f"[tool.alembic]\n{T}\n"),
    Files("[alembic]\nversion_locations = one\n", f"[tool.alembic]\n{T}\nsourceless = true\n"),
    Files(f"[alembic]\n{M}\n", '[tool.alembic]\nscript_location = "other"\n'),
]
# Wrong, or written in a way that is left to Alembic.
NOT_PLAIN = [
    Files(),
    ini(),
    ini("script_location ="),
    ini("script_location = nowhere"),
    ini("script_location = no.package:migrations"),
    ini(M, "version_locations = C:\\one"),  # a package, but for Windows
    ini("script_location = %(root)s", "root = migrations"),
    ini("script_location = %(nothing)s"),
    ini("script_location = mig%rations"),
    ini(M, "version_locations = %(root)s/one", "root = x"),
    ini(M, "version_locations ="),
    ini(M, "version_locations = one", "path_separator = comma"),
    ini(M, "prepend_sys_path = .", "path_separator ="),
    ini(M, "truncate_slug_length = many"),
    ini(M, "file_template = %(rev)s"),
    ini(M, HOOK, "black.options = %(what)s"),
    ini(M, M),
    Files("no section\n"),
    Files(f"[other]\n{M}\n"),
    Files(f"[alembic]\n{M}\n", section="other"),
    toml("script_location = 1"),
    toml("script_location = true"),
    toml('script_location = ["migrations"]'),
    toml('script_location = "%(root)s"', 'root = "migrations"'),
    toml(T, 'version_locations = "one"'),
    toml(T, "version_locations = [1]"),
    toml(T, 'version_locations = "100 %"'),
    toml(T, 'sourceless = "true"'),
    toml(T, "timezone = 1.5"),
    toml(T, 'prepend_sys_path = "."'),
    toml(T, "[[tool.alembic.post_write_hooks]]", 'type = "exec"'),
    toml(T, 'post_write_hooks = ["black"]'),
    Files(None, 'tool = {alembic = "migrations"}\n'),
    Files(None, "[tool.alembic\n"),
    Files(f"[alembic]\n{M}\nversion_locations =\n", '[tool.alembic]\nversion_locations = ["x"]\n'),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a place for migrations, and a package with one below ``lib``."""
    monkeypatch.chdir(tmp_path)
    for place in (
        "migrations/versions",
        "other",
        "elsewhere",
        "lib/pkg/migrations",
        "lib/pkg/more",
    ):
        Path(place).mkdir(parents=True)
    Path("lib/pkg/__init__.py").touch()
    Path("${here}").mkdir()
    Path("migrations\\x").mkdir()
    return tmp_path


def options_of(files: Files) -> Options:
    """Write the files, and read them here."""
    written = {"alembic.ini": files.ini, "pyproject.toml": files.toml}
    for name, text in written.items():
        Path(name).unlink(missing_ok=True)
        if text is not None:
            Path(name).write_text(text, "utf-8")
    found, toml_found = (Path(name) if text is not None else None for name, text in written.items())
    return Options(found, toml_found if KNOWS_TOML else None, files.section)


@contextmanager
def alembics(options: Options) -> Iterator[Config]:
    """Alembic's own view of the same files; what it imports is forgotten afterwards."""
    names = {"file_": options.ini, "toml_file": options.toml}
    given: dict[str, Any] = {name: str(path) for name, path in names.items() if path}
    modules = set(sys.modules)
    with warnings.catch_warnings(), patch.object(sys, "path", list(sys.path)):
        warnings.simplefilter("ignore")
        yield Config(**given, ini_section=options.section)
    for name in [name for name in sys.modules if name not in modules and name.startswith("pkg")]:
        del sys.modules[name]


def alembics_place(options: Options) -> ScriptPlace | None:
    """Where Alembic looks; ``None`` where it fails."""
    with alembics(options) as config:
        try:
            script = ScriptDirectory.from_config(config)
            locations = [Path(os.path.abspath(place)) for place in script._version_locations]
        except Exception:
            return None
    return ScriptPlace(
        Path(os.path.abspath(script.dir)),
        tuple(locations),
        script.recursive_version_locations,
        script.sourceless,
    )


def value(source: Any, name: str) -> Any:
    try:
        return source(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("files", PLAIN, ids=str)
def test_plain_configuration_is_read_as_alembic_reads_it(project: Path, files: Files) -> None:
    if files.toml and not READ_HERE:
        pytest.skip("this Alembic knows no pyproject.toml, or less of it")
    options = options_of(files)
    expected = alembics_place(options)
    if not KNOWS_TOML and files.ini and "\npath_separator" in files.ini:
        pytest.skip("this Alembic knows no path_separator")
    assert expected is not None
    assert locate(options) == expected
    assert read_plainly(options) == (expected if READ_HERE else None)
    same_options(options)


@pytest.mark.parametrize("files", NOT_PLAIN, ids=str)
def test_alembic_itself_is_asked_where_it_is_not_plain(project: Path, files: Files) -> None:
    options = options_of(files)
    try:
        assert read_plainly(options) is None
    except Exception:
        assert alembics_place(options) is None
    same_options(options)


def same_options(options: Options) -> None:
    """Each option is what Alembic says, or raises what it raises."""
    with alembics(options) as config:
        alembic = config.get_alembic_option if KNOWS_TOML else config.get_main_option
        for name in NAMES:
            expected = value(alembic, name)
            if KNOWS_TOML or not str(expected).startswith("CommandError: No config file"):
                assert value(options.get, name) == expected, name


# --- Any mixture ---------------------------------------------------------------------------------

PIECES = (
    *("migrations", "elsewhere", "pkg:migrations", "lib", "one two", ", ", ":", ";", " ", "  "),
    *("%(here)s/", "%%", "%", "%(root)s", "true", "false", "os", "space", "newline", "\n  ", "7"),
    *("", ".", "x\\y", "C:", "é", "#", "=", "$", "{here}"),
)
USUAL = {
    "script_location": ("migrations", "elsewhere", "%(here)s/migrations", "pkg:migrations"),
    "version_locations": ("one", "one two", "one, two", "%(here)s/one:two", "a;b", "a\n  b c"),
    "path_separator": ("os", "space", "newline", ":", ";"),
    "version_path_separator": ("os", "space", ";"),
    "prepend_sys_path": (".", "lib", "lib:.", "lib, .", "%(here)s/lib"),
    "recursive_version_locations": ("true", "false"),
    "sourceless": ("true", "false"),
    "file_template": ("%%(rev)s_%%(slug)s",),
    "truncate_slug_length": ("40",),
    "timezone": ("UTC",),
}
LINES = st.one_of(
    *(st.tuples(st.just(name), st.sampled_from(values)) for name, values in USUAL.items()),
    st.tuples(
        st.sampled_from((*NAMES, "root", "here", "hooks", "x.type")),
        st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    ),
)
SECTIONS = st.sampled_from(("alembic", "DEFAULT", "post_write_hooks", "other", "fixchain"))
TEXTS = LINES.map(lambda line: line[1])
VALUES = st.recursive(
    st.booleans() | st.integers(0, 9) | st.floats(0, 9) | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.just("name"), each),
    max_leaves=4,
)


def an_ini(sections: list[tuple[str, list[tuple[str, str]]]]) -> str:
    return "".join(
        f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in lines)
        for section, lines in sections
    )


def a_toml(values: dict[str, Any]) -> str:
    return "[tool.alembic]\n" + "".join(
        f'"{name}" = {_as_toml(value)}\n' for name, value in values.items()
    )


def _as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_as_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps(value)


INIS = st.lists(
    st.tuples(SECTIONS, st.lists(LINES, max_size=6, unique_by=lambda line: line[0])),
    max_size=3,
    unique_by=lambda section: section[0],
).map(an_ini)
TOMLS = st.one_of(
    st.fixed_dictionaries(
        {"script_location": st.sampled_from(USUAL["script_location"])},
        optional={
            "version_locations": st.lists(TEXTS, max_size=3),
            "prepend_sys_path": st.just(["lib"]),
            "sourceless": st.booleans(),
            "recursive_version_locations": st.booleans(),
            "post_write_hooks": st.lists(st.fixed_dictionaries({"name": TEXTS, "type": TEXTS})),
        },
    ),
    st.dictionaries(st.sampled_from((*NAMES, "post_write_hooks")), VALUES, max_size=5),
).map(a_toml)


@settings(max_examples=examples(75), deadline=None)
@given(
    st.builds(
        Files,
        st.none() | INIS,
        st.none() | TOMLS,
        st.sampled_from(("alembic", "alembic", "other")),
    )
)
def test_whatever_is_read_here_is_what_alembic_reads(files: Files) -> None:
    if files.toml and not KNOWS_TOML:
        return
    with tempfile.TemporaryDirectory() as place:
        before = os.getcwd()
        os.chdir(place)
        try:
            for name in ("migrations", "elsewhere", "lib/pkg/migrations"):
                Path(name).mkdir(parents=True)
            Path("lib/pkg/__init__.py").touch()
            same_place(options_of(files))
        finally:
            os.chdir(before)


def same_place(options: Options) -> None:
    """What is read here is what Alembic says; it may say more."""
    try:
        read = read_plainly(options)
    except Exception:  # what Alembic stumbles over as well, and packages that it would import
        return
    if read is not None:
        assert read == alembics_place(options)
    same_options(options)
