"""Whatever lies on the disk or stands on the command line: a clear answer, and nothing changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands import Done, fixchain, flask
from tests.disk import Node, environment, tree
from tests.support import migration, rev

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes")


def run(executable: str, *args: str, cwd: Path) -> Done:
    command = flask if executable == "flask" else fixchain
    return command(*args, cwd=cwd, env={"PYTHONDONTWRITEBYTECODE": "1"})


def unchanging(place: Path) -> dict[str, Node]:
    """The tree without what belongs to us and to Flask."""
    return {
        name: node
        for name, node in tree(place).items()
        if ".fixchain" not in name and "instance" not in name
    }


class Stop(NamedTuple):
    """What is expected: exit 3, a type of error, and words of message and remedy."""

    type: str
    message: str
    remedy: str


class Faults(NamedTuple):
    """What is expected: exit 1 and, among others, a finding with this code and these words."""

    code: str
    message: str
    hint: str


def expect(expected: Stop | Faults, *args: str, cwd: Path, executable: str = "fixchain") -> None:
    """Run a command twice, for text and for JSON, and compare what it says with ``expected``."""
    before = unchanging(cwd)
    text = run(executable, *args, cwd=cwd)
    answer = run(executable, *args, "--format", "json", cwd=cwd)
    assert unchanging(cwd) == before
    assert "Traceback" not in text.stdout + text.stderr + answer.stdout + answer.stderr

    document = json.loads(answer.stdout)
    code = 3 if isinstance(expected, Stop) else 1
    assert (text.exit_code, answer.exit_code, document["exit_code"]) == (code, code, code), text
    if isinstance(expected, Stop):
        assert document["error"]["type"] == expected.type
        found = [document["error"]["message"], document["error"]["remedy"]]
        (first, *_) = document["error"]["remedies"]
        message, _, after = text.stderr.partition(f"error: {found[0]}\n")
        assert not message
        assert after.removeprefix("Nothing was changed.\n").startswith("remed")
        assert first["text"] in text.stderr
    else:
        assert document["error"] is None
        (finding,) = (item for item in document["findings"] if item["code"] == expected.code)
        found = [finding["message"], finding["hint"]]
        assert expected.code in text.stdout
    assert expected[1] in found[0]
    assert expected[2] in found[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    environment(tmp_path / "migrations")
    return tmp_path


# --- No environment ------------------------------------------------------------------------------


def without(*names: str) -> Callable[[Path], None]:
    def remove(project: Path) -> None:
        for name in names:
            path = project / "migrations" / name
            for inner in sorted(path.rglob("*"), reverse=True):
                inner.unlink() if inner.is_file() else inner.rmdir()
            path.rmdir() if path.is_dir() else path.unlink()

    return remove


def ini(text: str | bytes) -> Callable[[Path], None]:
    data = text if isinstance(text, bytes) else text.encode()

    def write(project: Path) -> None:
        (project / "migrations" / "alembic.ini").write_bytes(data)

    return write


@pytest.mark.parametrize("command", ["check", "repair", "undo"])
def test_no_migrations_directory(tmp_path: Path, command: str) -> None:
    expected = Stop("NoEnvironment", "there is no directory migrations", "flask db init")
    expect(expected, command, cwd=tmp_path)


@pytest.mark.parametrize(
    ("spoil", "args", "expected"),
    [
        pytest.param(
            without("env.py"), [], Stop("NoEnvironment", "it has no env.py", "flask db init"),
            id="no env.py",
        ),
        pytest.param(
            without("versions"), [],
            Stop("NoEnvironment", "there is no version location", "create the directory"),
            id="no versions",
        ),
        pytest.param(
            ini("script_location = .\n"), [],
            Stop("BadConfiguration", "File contains no section headers", "Alembic accepts it"),
            id="ini without a section",
        ),
        pytest.param(
            ini("[alembic]\nno equals sign\n"), [],
            Stop("BadConfiguration", " [line 2]: 'no equals sign", "correct it"),
            id="ini with a line that is nothing",
        ),
        pytest.param(
            ini("[alembic]\n\n[alembic]\n"), [],
            Stop("BadConfiguration", "section 'alembic' already exists", "correct it"),
            id="ini with a section twice",
        ),
        pytest.param(
            ini("[alembic]\nversion_locations = %(nowhere)s\n"), [],
            Stop("BadConfiguration", "nowhere", "correct it"),
            id="ini with an unknown placeholder",
        ),
        pytest.param(
            ini(b"[alembic]\nx = \xff\xfe\n"), [],
            Stop("BadConfiguration", "decode", "correct it"),
            id="ini that is no text",
        ),
        pytest.param(
            ini("[fixchain]\nignroe = FC101\n"), [],
            Stop("BadConfiguration", "unknown key 'ignroe'", "ignore, ignore_objects"),
            id="unknown key",
        ),
        pytest.param(
            ini("[fixchain]\nignore = FC101, FC999\n"), [],
            Stop("BadConfiguration", "unknown code FC999", "FC101"),
            id="unknown code",
        ),
        pytest.param(
            ini(""), ["-d", "migrations/env.py"],
            Stop("NoEnvironment", "migrations/env.py is not a directory", "-d DIRECTORY"),
            id="-d names a file",
        ),
        pytest.param(
            ini(""), ["-c", "gone.ini"],
            Stop("NoEnvironment", "there is no file gone.ini", "-c"),
            id="-c names nothing",
        ),
        pytest.param(
            ini("[alembic]\nscript_location = gone\n"), ["-c", "migrations/alembic.ini"],
            Stop("BadConfiguration", "gone", "correct it"),
            id="-c names a directory that is not there",
        ),
        pytest.param(
            ini("[alembic]\n"), ["-c", "migrations/alembic.ini"],
            Stop("BadConfiguration", "script_location", "correct it"),
            id="-c without script_location",
        ),
    ],
)  # fmt: skip
def test_configuration(
    project: Path, spoil: Callable[[Path], None], args: list[str], expected: Stop
) -> None:
    spoil(project)
    expect(expected, *args, "check", cwd=project)


def test_broken_toml(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.alembic\n")
    expect(
        Stop("BadConfiguration", "pyproject.toml", ""),
        "-c", "pyproject.toml", "check", cwd=project,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('ignore = "FC101"', "ignore in [tool.fixchain] is not a list of strings"),
        ("ignore = [101]", "ignore in [tool.fixchain] is not a list of strings"),
        ('ignore = ["FC999"]', "unknown code FC999"),
        ('base = ["a"]', "unknown key 'base'"),
    ],
)
def test_settings_in_toml(project: Path, setting: str, message: str) -> None:
    (project / "pyproject.toml").write_text(
        f'[tool.alembic]\nscript_location = "migrations"\n[tool.fixchain]\n{setting}\n'
    )
    before = unchanging(project)
    ended = run("fixchain", "-c", "pyproject.toml", "check", "--format", "json", cwd=project)
    error = json.loads(ended.stdout)["error"]
    assert (ended.exit_code, error["type"]) == (3, "BadConfiguration")
    assert message in error["message"] or "cannot be configured by" in error["message"]
    assert unchanging(project) == before


@pytest.mark.parametrize("command", [["check"], ["repair", "--yes"]])
def test_nothing_in_versions(project: Path, command: list[str]) -> None:
    without("versions")(project)
    (project / "migrations" / "versions").mkdir()
    expected = Stop("NoMigrations", "there are no migrations in", "the right directory")
    expect(expected, *command, cwd=project)


# --- Bad migrations ------------------------------------------------------------------------------

GOOD = migration(rev("x <- e"))
CONFLICT = GOOD.replace(
    b"down_revision = 'e'\n",
    b"<<<<<<< HEAD\ndown_revision = 'e'\n=======\ndown_revision = 'd'\n>>>>>>> topic\n",
)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        pytest.param(CONFLICT, "holds Git conflict markers", "resolve the conflict", id="conflict"),
        pytest.param(GOOD.decode().encode("utf-16"), "is UTF-16", "UTF-8", id="UTF-16"),
        pytest.param(GOOD + b"\0", "holds NUL bytes", "restore the file", id="NUL"),
        pytest.param(b"(" * 10_000_000, "x.py ", "a file of its own", id="10 MB of brackets"),
        pytest.param(b"\xff\xfa" * 100, "x.py ", "", id="noise"),
    ],
)
def test_bad_migration(project: Path, data: bytes, message: str, hint: str) -> None:
    (project / "migrations" / "versions" / "x.py").write_bytes(data)
    expect(Faults("FC106", message, hint), "check", cwd=project)
    refused = run("fixchain", "repair", "--yes", cwd=project)
    assert refused.exit_code == 3
    assert "the chain cannot be relinked while it has FC106" in refused.stderr
    assert (project / "migrations" / "versions" / "x.py").read_bytes() == data


@pytest.mark.nightly
def test_a_migration_of_10_mb(project: Path) -> None:
    path = project / "migrations" / "versions" / "x.py"
    rows = b"".join(b"INSERT INTO t VALUES (%d);\n" % number for number in range(330_000))
    data = GOOD.replace(b"'e'", b"None") + b'SEED = """\n' + rows + b'"""\n'
    assert len(data) > 10_000_000
    path.write_bytes(data)
    assert run("fixchain", "repair", "--yes", cwd=project).exit_code == 0
    after = path.read_bytes()
    assert after[-len(rows) - 100 :] == data[-len(rows) - 100 :]
    assert b"down_revision = None" not in after
    assert run("fixchain", "undo", "--yes", cwd=project).exit_code == 0
    assert path.read_bytes() == data


@posix
def test_a_circle_of_links(project: Path) -> None:
    (project / "migrations" / "versions" / "x.py").symlink_to("x.py")
    expect(Faults("FC106", "points back to itself", "remove it"), "check", cwd=project)


@posix
def test_a_read_only_migration(project: Path) -> None:
    (project / "migrations" / "versions" / "e_add_e.py").chmod(0o444)
    expected = Stop("CannotWrite", "e_add_e.py is read-only", "make the file writable")
    expect(expected, "repair", "--yes", cwd=project)


def test_a_directory_named_like_a_migration(project: Path) -> None:
    (project / "migrations" / "versions" / "x.py").mkdir()
    ended = run("fixchain", "repair", "--yes", "--format", "json", cwd=project)
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)["revisions"] == 5


def test_the_same_path_in_two_version_locations(project: Path) -> None:
    ini("[alembic]\nversion_locations = %(here)s/versions %(here)s/../migrations/versions\n")(
        project
    )
    ended = run("fixchain", "check", "--format", "json", cwd=project)
    assert ended.exit_code == 1
    document = json.loads(ended.stdout)
    assert document["revisions"] == 5
    assert [item["code"] for item in document["findings"]] == ["FC101", "FC102"]
    assert "each is read once" in document["notices"][0]


# --- Bad wishes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "type_", "message"),
    [
        (["--attach", "zzz=a"], "CannotPlan", "zzz"),
        (["--attach", "c=zzz"], "CannotPlan", "zzz"),
        (["--attach", "c=c"], "CannotPlan", "c"),
        (["--attach", "c=d"], "CannotPlan", "d"),
        (["--attach", "a=e", "--attach", "e=b"], "CannotPlan", ""),
        (["--root", "zzz"], "CannotPlan", "zzz"),
        ([], "NeedsConsent", "no terminal to ask on; pass --yes"),
    ],
)
def test_wishes_that_cannot_be(project: Path, args: list[str], type_: str, message: str) -> None:
    before = unchanging(project)
    ended = run("fixchain", "repair", *args, "--format", "json", cwd=project)
    error = json.loads(ended.stdout)["error"]
    assert (ended.exit_code, error["type"]) == (3, type_)
    assert message in error["message"]
    assert error["remedy"]
    assert unchanging(project) == before


@pytest.mark.parametrize(
    "args",
    [
        ["repair", "--attach", "c"],
        ["repair", "--attach", "=a"],
        ["repair", "--attach", "c=a", "--attach", "c=b"],
        ["repair", "--strategy", "magic"],
        ["check", "--format", "xml"],
        ["mend"],
        ["-d", "migrations", "-c", "alembic.ini", "check"],
    ],
)
def test_wrong_usage(project: Path, args: list[str]) -> None:
    before = unchanging(project)
    ended = run("fixchain", *args, cwd=project)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "Usage: fixchain" in ended.stderr
    assert unchanging(project) == before


@pytest.mark.parametrize("strategy", ["linear", "merge"])
def test_a_dry_run_changes_nothing_at_all(project: Path, strategy: str) -> None:
    before = tree(project)
    for output_format in "text", "json":
        ended = run(
            "fixchain", "repair", "--dry-run", "--strategy", strategy, "--format", output_format,
            cwd=project,
        )  # fmt: skip
        assert ended.exit_code == 1
    assert tree(project) == before
