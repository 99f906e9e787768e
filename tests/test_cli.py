"""The contract of the command line: exit codes, streams, JSON, prompts, options."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config

from flask_chainfix.cli.opening import as_found
from flask_chainfix.cli.running import ask
from flask_chainfix.common.errors import NeedsConsent
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis import diagnosis
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.findings import Finding, Severity
from tests.commands import SCRIPTS, Done, fixchain, on_terminal, run
from tests.disk import BROKEN, environment, migrations, tree
from tests.nightly import first_of, first_of_each
from tests.repositories import script
from tests.stamped import sql

HEALTHY = ("a", "b <- a", "c <- b")
WARNING = ("a", "b <- a", "a_name_that_is_longer_than_the_column <- b")
# Two bases that a merge point joins: Alembic can use them.
JOINED = ("a", "b <- a", "c", "d <- b, c")
REFUSED = ("a", "b <- a +gone", "c")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parents(place: Path) -> dict[str, Any]:
    """What the files of a directory say of their parents, by revision."""
    found = {}
    for path in (place / "versions").glob("*.py"):
        variables: dict[str, Any] = {}
        lines = path.read_text("utf-8").splitlines()
        for line in lines:
            if re.match(r"(down_)?revision = ", line):
                exec(line, variables)
        found[variables["revision"]] = variables["down_revision"]
    return found


# --- Exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "arguments", "exit_code"),
    [
        (HEALTHY, "check", 0),
        (HEALTHY, "check --strict", 0),
        (HEALTHY, "repair", 0),
        (HEALTHY, "repair --dry-run", 0),
        (HEALTHY, "repair --attach b=a --yes", 0),
        (HEALTHY, "undo --yes", 3),
        (BROKEN, "check", 1),
        (BROKEN, "check --strict", 1),
        (BROKEN, "repair --dry-run", 1),
        (BROKEN, "repair --dry-run --yes", 1),
        (BROKEN, "repair", 3),
        (BROKEN, "repair --root nope --yes", 3),
        (BROKEN, "repair --attach c=nope --yes", 3),
        (BROKEN, "repair --attach a=b --yes", 3),
        (WARNING, "check", 0),
        (WARNING, "check --strict", 1),
        (WARNING, "repair --strict --dry-run", 0),
        (WARNING, "repair --strict", 0),
        (JOINED, "check", 0),
        (JOINED, "check --strict", 1),
        (JOINED, "repair", 0),
        (JOINED, "repair --strict --dry-run", 1),
        (JOINED, "repair --strict", 3),
        (REFUSED, "check", 1),
        (REFUSED, "repair --dry-run", 3),
        (REFUSED, "repair --yes", 3),
    ],
)
@pytest.mark.parametrize("output_format", ["text", "json"])
def test_exit_codes_of_commands_that_change_nothing(
    project: Path, chain: tuple[str, ...], arguments: str, exit_code: int, output_format: str
) -> None:
    before = tree(environment(project / "migrations", *chain))

    done = fixchain(*arguments.split(), "--format", output_format)

    assert done.exit_code == exit_code, done.stdout + done.stderr
    assert tree(project / "migrations") == before
    if output_format == "json":
        assert done.document["exit_code"] == exit_code
        assert (done.document["error"] is not None) == (exit_code == 3)
        assert not done.stderr.startswith("error")
    elif exit_code == 3:
        assert done.stderr.startswith("error: ")
        assert re.search("\nremed(y: |ies, the best first:\n)", done.stderr)
    else:
        assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        "check --unknown",
        "repair --strategy unknown",
        "repair --attach c",
        "repair --attach =c",
        "repair --attach c=b --attach c=a",
        "check --format xml",
        "repair --format github",
        "repair extra",
        "unknown",
        "-d migrations -c alembic.ini check",
    ],
)
def test_wrong_usage(project: Path, arguments: str) -> None:
    before = tree(environment(project / "migrations", *BROKEN))
    done = fixchain(*arguments.split())
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Usage:" in done.stderr
    assert tree(project / "migrations") == before


@pytest.mark.parametrize(
    ("arguments", "command", "said"),
    [
        ("check --unknown --format json", "check", "--unknown"),
        ("check --format=json --strategy x", "check", "--strategy"),
        ("repair --attach c --format json", "repair", "'c' is not of the form"),
        ("check --database= --format json", "check", "--database has an empty URL"),
        ("rehearse --database= --format json", "rehearse", "--database has an empty URL"),
        ("rebase --no-backup --format json", "rebase", "--no-backup needs --downgrade"),
        ("explain FC999 --format json", "explain", "no finding has the code or name 'FC999'"),
        ("unknown --format json", "fixchain", "No such command 'unknown'"),
        ("--unknown check --format json", "fixchain", "--unknown"),
        ("-d migrations -c alembic.ini check --format json", "check", "not both"),
    ],
)
def test_wrong_usage_in_json(project: Path, arguments: str, command: str, said: str) -> None:
    done = fixchain(*arguments.split())
    assert done.exit_code == done.document["exit_code"] == 2
    assert done.document["command"] == command
    error = done.document["error"]
    assert error["type"] == "WrongUsage"
    assert said in error["message"]
    assert error["remedies"][0]["commands"][0].endswith("--help")
    assert said in " ".join(done.stderr.split())


def test_findings_of_severity_info_never_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(project / "migrations", *WARNING)

    def only_infos(snapshot: Facts, *families: Family) -> tuple[Finding, ...]:
        found = diagnose(snapshot, *families)
        return tuple(replace(finding, severity=Severity.INFO) for finding in found)

    monkeypatch.setattr(diagnosis, "diagnose", only_infos)
    done = fixchain("check", "--strict", "--format", "json")
    assert [finding["severity"] for finding in done.document["findings"]] == ["info"]
    assert done.exit_code == 0
    assert fixchain("repair", "--strict", "--dry-run").exit_code == 0


@pytest.mark.parametrize("arguments", ["repair", "repair --strategy merge"])
def test_repair_makes_one_chain_and_a_second_one_changes_nothing(
    project: Path, arguments: str
) -> None:
    environment(project / "migrations", *BROKEN)

    done = fixchain(*arguments.split(), "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("Repaired:") == 1
    assert fixchain("check", "--strict").exit_code == 0

    before = tree(project)
    again = fixchain(*arguments.split(), "--yes")
    assert again.exit_code == 0
    assert "Repaired" not in again.stdout
    assert tree(project) == before


def test_repair_strict_is_at_its_end_when_only_warnings_are_left_that_it_cannot_mend(
    project: Path,
) -> None:
    long_name = "a_name_that_is_longer_than_the_column"
    environment(project / "migrations", "a", "b <- a", "c", "d <- b, c", f"{long_name} <- d")
    assert fixchain("repair", "--strict", "--yes").exit_code == 0
    assert list(parents(project / "migrations").values()).count(None) == 1
    before = tree(project)
    done = fixchain("repair", "--strict", "--yes")
    assert done.exit_code == 0, done.stdout
    assert tree(project) == before


def test_undo_puts_back_every_byte_once(project: Path) -> None:
    place = environment(project / "migrations", *BROKEN)
    before = migrations(place)
    fixchain("repair", "--yes", "--strategy", "merge")
    assert migrations(place) != before

    assert fixchain("undo").exit_code == 3
    assert migrations(place) != before
    assert fixchain("undo", "--yes").exit_code == 0
    assert migrations(place) == before
    assert fixchain("undo", "--yes").exit_code == 3


# --- Options -------------------------------------------------------------------------------------


def test_root_names_the_base_that_stays(project: Path) -> None:
    place = environment(project / "migrations", *BROKEN)
    assert fixchain("repair", "--yes").exit_code == 0
    assert parents(place)["a"] is None
    assert fixchain("undo", "--yes").exit_code == 0
    assert fixchain("repair", "--root", "e", "--yes").exit_code == 0
    assert [revision for revision, parent in parents(place).items() if parent is None] == ["e"]


def test_attach_puts_revisions_on_the_parents_that_the_user_names(project: Path) -> None:
    place = environment(project / "migrations", *BROKEN)
    done = fixchain("repair", "--attach", "c=e", "--attach", "e=b", "--yes", "--format", "json")
    assert done.exit_code == 0, done.stdout
    assert parents(place) == {"a": None, "b": "a", "e": "b", "c": "e", "d": "c"}
    kinds = {
        relink["revision"]: [reason["kind"] for reason in relink["why"]]
        for relink in done.document["plan"]["relinks"]
    }
    assert kinds["c"] == kinds["e"] == ["pin"]


def test_strategy_merge_keeps_branches_and_adds_a_revision(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a", "c <- a")
    before = migrations(place)
    done = fixchain("repair", "--strategy", "merge", "--yes", "--format", "json")
    (new,) = done.document["plan"]["new_revisions"]
    after = migrations(place)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {Path(new["path"]).name}
    assert parents(place)[new["revision"]] == ("b", "c")
    assert done.document["verified"]["heads"] == [new["revision"]]


# --- JSON ----------------------------------------------------------------------------------------

REVISIONS = [str]
SCHEMA: Mapping[str, Any] = {
    "schema_version": int,
    "command": str,
    "exit_code": int,
    "directory": (str, None),
    "revisions": (int, None),
    "bases": (REVISIONS, None),
    "heads": (REVISIONS, None),
    "findings": (
        [
            {
                "code": str,
                "name": str,
                "severity": str,
                "message": str,
                "hint": str,
                "revisions": REVISIONS,
                "locations": [{"path": str, "line": (int, None)}],
                "repairable": bool,
            }
        ],
        None,
    ),
    "plan": (
        {
            "strategy": str,
            "relinks": [
                {
                    "revision": str,
                    "path": str,
                    "before": REVISIONS,
                    "after": REVISIONS,
                    "why": [{"kind": str, "detail": str}],
                }
            ],
            "new_revisions": [
                {
                    "revision": str,
                    "path": str,
                    "down_revision": REVISIONS,
                    "why": [{"kind": str, "detail": str}],
                }
            ],
            "order": REVISIONS,
        },
        None,
    ),
    "verified": ({"by": str, "bases": REVISIONS, "heads": REVISIONS}, None),
    "journal": (str, None),
    "error": ({"type": str, "message": str, "remedy": str}, None),
}


def assert_fits(value: Any, schema: Any, place: str = "document") -> None:
    """Whether every key of the contract is there, with a value of its type; more keys may be."""
    if isinstance(schema, tuple):
        if value is not None:
            assert_fits(value, schema[0], place)
    elif isinstance(schema, list):
        assert isinstance(value, list), f"{place} is {value!r}"
        for index, item in enumerate(value):
            assert_fits(item, schema[0], f"{place}[{index}]")
    elif isinstance(schema, Mapping):
        assert isinstance(value, dict), f"{place} is {value!r}"
        assert schema.keys() <= value.keys(), place
        for key, part in schema.items():
            assert_fits(value[key], part, f"{place}.{key}")
    else:
        assert type(value) is schema, f"{place} is {value!r}"


def assert_sorted(document: dict[str, Any]) -> None:
    lists = [document["bases"], document["heads"]]
    lists += [finding["revisions"] for finding in document["findings"]]
    if document["verified"]:
        lists += [document["verified"]["bases"], document["verified"]["heads"]]
    for revisions in lists:
        assert revisions == sorted(revisions)


@pytest.mark.parametrize(
    ("arguments", "filled"),
    [
        ("check", {"findings", "plan"}),
        ("repair --dry-run", {"findings", "plan"}),
        ("repair --strategy merge --dry-run", {"findings", "plan"}),
        ("repair --yes", {"findings", "plan", "verified", "journal"}),
        ("repair --yes --strategy merge", {"findings", "plan", "verified", "journal"}),
        ("repair --root nope --yes", {"findings", "error"}),
    ],
)
def test_json_is_one_document_of_the_contract(
    project: Path, arguments: str, filled: set[str]
) -> None:
    environment(project / "migrations", "z", "y <- z", "x", "w <- x", "v")

    done = fixchain(*arguments.split(), "--format", "json")

    document = done.document
    assert_fits(document, SCHEMA)
    assert_sorted(document)
    assert document["schema_version"] == 1
    assert document["command"] == arguments.split(maxsplit=1)[0]
    assert document["exit_code"] == done.exit_code
    assert document["directory"] == "migrations"
    assert document["revisions"] == 5
    assert document["bases"] == ["v", "x", "z"]
    assert document["heads"] == ["v", "w", "y"]
    nullable = ("findings", "plan", "verified", "journal", "error")
    assert {key for key in nullable if document[key] is not None} == filled
    paths = [place["path"] for finding in document["findings"] for place in finding["locations"]]
    if document["plan"] is not None:
        order = document["plan"]["order"]
        new = [item["revision"] for item in document["plan"]["new_revisions"]]
        assert sorted(order) == sorted(["z", "y", "x", "w", "v", *new])
        assert order.index("z") == 0
        assert order.index("x") < order.index("w")
        paths += [relink["path"] for relink in document["plan"]["relinks"]]
        paths += [item["path"] for item in document["plan"]["new_revisions"]]
        assert len(paths) > 5
    for path in paths:
        assert path.startswith("migrations/versions/")
        if path.endswith(("v.py", "z.py")):
            assert (project / path).is_file()
    if document["journal"]:
        assert document["journal"].startswith("migrations/")
        assert (project / document["journal"]).is_file()


def test_json_of_undo(project: Path) -> None:
    environment(project / "migrations", *BROKEN)
    journal = fixchain("repair", "--yes", "--format", "json").document["journal"]
    done = fixchain("undo", "--yes", "--format", "json")
    assert_fits(done.document, SCHEMA)
    assert done.document["command"] == "undo"
    assert done.document["journal"] == journal
    assert done.document["bases"] == ["a", "c", "e"]
    assert done.document["plan"] is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("-d nowhere check", "NoEnvironment"),
        ("-c nowhere.ini check", "NoEnvironment"),
        ("-d empty check", "NoEnvironment"),
        ("-c bad.ini check", "BadConfiguration"),
        ("repair", "NeedsConsent"),
        ("repair --yes --attach a=b", "CannotPlan"),
        ("undo --yes", "NothingToUndo"),
    ],
)
def test_json_of_errors(project: Path, arguments: str, error: str) -> None:
    environment(project / "migrations", *BROKEN)
    (project / "empty").mkdir()
    (project / "bad.ini").write_text(
        "[alembic]\nscript_location = migrations\n[fixchain]\nunknown = 1\n"
    )
    done = fixchain(*arguments.split(), "--format", "json")
    assert done.exit_code == 3
    assert_fits(done.document, SCHEMA)
    assert done.document["exit_code"] == 3
    assert done.document["error"]["type"] == error
    assert done.document["error"]["remedy"]


def test_paths_outside_the_working_directory_are_absolute(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = environment(project / "migrations", *BROKEN)
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    document = fixchain("-d", "../migrations", "check", "--format", "json").document
    assert document["directory"] == place.as_posix()


# --- Streams and prompts -------------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A migration environment in a directory to run commands in."""
    return environment(tmp_path / "migrations", *BROKEN)


@pytest.mark.parametrize(("answer", "exit_code"), [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)])
@pytest.mark.usefixtures("warm_programs")
def test_the_answer_on_a_terminal_decides(broken: Path, answer: str, exit_code: int) -> None:
    before = tree(broken)
    done = on_terminal("fixchain", "repair", cwd=broken.parent, answer=answer)
    assert done.exit_code == exit_code, done.stderr
    assert "Make these changes?" in done.stderr
    assert "Make these changes?" not in done.stdout
    assert "+down_revision = 'b'" in done.stdout
    if exit_code:
        assert tree(broken) == before
        assert "Nothing was changed." in done.stderr
    else:
        assert migrations(broken) != {name: node[:2] for name, node in before.items()}
        assert list(parents(broken).values()).count(None) == 1
        assert "Repaired" in done.stdout


@pytest.mark.usefixtures("warm_programs")
def test_an_error_is_wrapped_on_a_terminal_but_no_command(tmp_path: Path) -> None:
    missing = f"-d {'n' * 70}"
    shell = f'exec "$0" {missing} check 2>&1'
    command = ("bash", "-c", shell, "fixchain")
    shown = on_terminal(*command, cwd=tmp_path, answer="", env={"NO_COLOR": "1"}).stdout
    piped = run("fixchain", *missing.split(), "check", cwd=tmp_path).stderr
    assert max(map(len, piped.splitlines())) > 80
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split() == piped.split()


@pytest.mark.usefixtures("warm_programs")
def test_json_stays_alone_on_stdout_when_somebody_is_asked(broken: Path) -> None:
    shell = 'exec "$0" repair --format json > answer.json'
    command = ("bash", "-c", shell, "fixchain")
    done = on_terminal(*command, cwd=broken.parent, answer="n\n")
    document = Done(done.exit_code, (broken.parent / "answer.json").read_text(), "").document
    assert document["exit_code"] == done.exit_code == 1
    assert document["error"]["type"] == "Declined"
    assert "+down_revision = 'b'" in done.stderr
    assert "Make these changes?" in done.stderr


def test_undo_asks_on_a_terminal(broken: Path) -> None:
    fixchain("repair", "--yes", cwd=broken.parent)
    repaired = migrations(broken)
    declined = on_terminal("fixchain", "undo", cwd=broken.parent, answer="n\n")
    assert (declined.exit_code, migrations(broken)) == (1, repaired)
    agreed = on_terminal("fixchain", "undo", cwd=broken.parent, answer="y\n")
    assert agreed.exit_code == 0
    assert migrations(broken) != repaired


@pytest.mark.usefixtures("warm_programs")
def test_undo_says_which_files_it_deletes(broken: Path) -> None:
    answer = ("repair", "--yes", "--strategy", "merge", "--format", "json")
    report = fixchain(*answer, cwd=broken.parent).document
    new = report["plan"]["new_revisions"][0]["path"]
    relinked = [relink["path"] for relink in report["plan"]["relinks"]]
    declined = on_terminal("fixchain", "undo", cwd=broken.parent, answer="n\n")
    assert "Put back and delete these files?" in declined.stderr
    back, deleted = declined.stdout.split("Undoing the last repair deletes:")
    assert all(path in back and path not in deleted for path in relinked)
    assert new in deleted
    assert new not in back
    undone = fixchain("undo", "--yes", "--format", "json", cwd=broken.parent).document
    assert sorted(undone["restored"]) == sorted(relinked)
    assert undone["deleted"] == [new]


@pytest.mark.usefixtures("warm_programs")
def test_undo_of_a_mere_merge_only_deletes(project: Path) -> None:
    environment(project / "migrations", "a", "b <- a", "c <- a")
    fixchain("repair", "--yes", "--strategy", "merge")
    declined = on_terminal("fixchain", "undo", cwd=project, answer="n\n")
    assert "Delete these files?" in declined.stderr
    assert "puts back" not in declined.stdout
    assert fixchain("undo", "--yes", "--format", "json").document["restored"] is None


CLOSED = [
    ("repair", 3, "<&-"),
    ("repair", 3, "2>&-"),
    ("repair", 3, ">&-"),
    ("check", 1, ">&-"),
    ("repair", 3, "</dev/null"),
    ("check", 1, "<&-"),
    ("check", 1, "2>&-"),
    ("check", 1, "</dev/null"),
]


@pytest.mark.parametrize(
    ("command", "exit_code", "closing"), first_of_each(CLOSED, kind=lambda case: case[2])
)
def test_a_closed_stream_is_no_reason_to_crash(
    broken: Path, command: str, exit_code: int, closing: str
) -> None:
    before = tree(broken)
    shell = f'exec "$0" {command} {closing}'
    done = run("bash", "-c", shell, SCRIPTS / "fixchain", cwd=broken.parent)
    assert done.exit_code == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert tree(broken) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("output_format", ["text", "json"])
@pytest.mark.usefixtures("warm_programs")
def test_a_result_that_cannot_be_written_is_said_on_stderr(
    broken: Path, output_format: str
) -> None:
    before = migrations(broken)
    for command in ("check", "repair --dry-run", "repair", "undo --yes"):
        shell = f'exec "$0" {command} --format {output_format} >/dev/full'
        done = run("bash", "-c", shell, "fixchain", cwd=broken.parent)
        assert done.exit_code == 3
        assert done.stderr.count("error: ") == 1
        assert migrations(broken) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_was_done_is_done_also_if_the_result_cannot_be_written(broken: Path) -> None:
    before = migrations(broken)
    shell = 'exec "$0" repair --yes --format json >/dev/full'
    done = run("bash", "-c", shell, SCRIPTS / "fixchain", cwd=broken.parent)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "error: the repair was made, but the result cannot be written: " in done.stderr
    assert "remedy: see where everything stands:\n  fixchain check\n" in done.stderr
    assert migrations(broken) != before
    shell = 'exec "$0" undo --yes --format json >/dev/full'
    done = run("bash", "-c", shell, SCRIPTS / "fixchain", cwd=broken.parent)
    assert done.exit_code == 0
    assert "error: everything was put back, but the result cannot be written: " in done.stderr
    assert migrations(broken) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.usefixtures("warm_programs")
def test_copies_that_were_made_are_told_also_if_the_result_cannot_be_written(
    tmp_path: Path,
) -> None:
    sql(f"sqlite:///{tmp_path}/app.db", "CREATE TABLE a (id INTEGER)")
    shell = 'exec "$0" backup --database sqlite:///app.db >/dev/full'
    done = run("bash", "-c", shell, "fixchain", cwd=tmp_path)
    assert "error: the copies were made, but the result cannot be written: " in done.stderr
    assert "Nothing was changed" not in done.stderr
    (copy,) = (tmp_path / "backups").glob("*.db")
    assert f"is {copy.relative_to(tmp_path)}\n" in done.stderr


@pytest.mark.usefixtures("warm_programs")
def test_a_repair_that_nobody_hears_of_is_told_on_stderr(broken: Path) -> None:
    shell = 'set -o pipefail; "$0" repair --yes --format json | true'
    done = run("bash", "-c", shell, "fixchain", cwd=broken.parent)
    assert done.exit_code == 0
    assert "error: the repair was made, but the result cannot be written: " in done.stderr
    assert fixchain("check", cwd=broken.parent).exit_code == 0


def test_a_full_stderr_is_no_reason_to_crash(broken: Path) -> None:
    shell = 'exec "$0" repair 2>/dev/full'
    done = run("bash", "-c", shell, SCRIPTS / "fixchain", cwd=broken.parent)
    assert done.exit_code == 3


@pytest.mark.usefixtures("warm_programs")
def test_answers_through_a_pipe_do_not_count(broken: Path) -> None:
    before = tree(broken)
    done = fixchain("repair", "--root", "a", cwd=broken.parent, answer="y\n")
    assert done.exit_code == 3
    assert tree(broken) == before
    (command,) = re.findall(r"^  (fixchain .*)$", done.stderr, re.MULTILINE)
    assert command == "fixchain repair --root a --yes"
    assert run(*command.split(), cwd=broken.parent).exit_code == 0


def test_a_command_that_holds_a_password_is_not_printed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "postgresql://user:s3cret@127.0.0.1/x"
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "argv", ["/bin/fixchain", "restamp", "--database", url])
    with pytest.raises(NeedsConsent) as refused:
        ask("?")
    assert "s3cret" not in refused.value.remedy
    assert "--yes" in refused.value.remedy


# --- The commands that the output names ----------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "env", "named"),
    first_of(
        [
            (["flask", "--app", "sample_app"], {}, "flask --app sample_app db"),
            (["flask"], {"FLASK_APP": "sample_app"}, "flask db"),
            (
                [SCRIPTS / "python", "-m", "flask", "--app", "sample_app:create_app"],
                {},
                "python -m flask --app sample_app:create_app db",
            ),
        ]
    ),
)
def test_advice_names_the_command_that_was_typed(
    sample: Path, command: list[str | Path], env: dict[str, str], named: str
) -> None:
    done = run(*command, "db", "fixchain", "check", "--verbose", cwd=sample, env=env)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert f"{named} fixchain repair --no-database --dry-run" in lines  # there is none yet
    assert f"{named} fixchain rehearse" in lines
    assert f"{named} history" in lines


@pytest.mark.parametrize(
    ("started", "path", "variables", "named"),
    [
        (".venv/bin/fixchain", "", {}, ".venv/bin/fixchain .venv/bin/alembic"),
        (".venv/bin/fixchain", ".venv/bin", {}, "fixchain alembic"),
        (".venv/bin/fixchain", "others", {}, ".venv/bin/fixchain alembic"),
        (".venv/bin/fixchain", "", {"CI": "true"}, "fixchain alembic"),
        (".venv/bin/flask", "", {}, ".venv/bin/fixchain .venv/bin/alembic"),
        ("kept/fixchain", ".venv/bin", {"PRE_COMMIT": "1"}, "kept/fixchain alembic"),
        ("/nowhere/pytest", "", {}, "fixchain alembic"),
        ("./fixchain", "", {}, "./fixchain ./alembic"),
        (".venv/bin/fixchain", ".venv/bin", {"UV_RUN_RECURSION_DEPTH": "1"},
         "uv run fixchain uv run alembic"),
        (".venv/bin/fixchain", ".venv/bin", {"HATCH_ENV_ACTIVE": "dev"},
         "hatch -e dev run fixchain hatch -e dev run alembic"),
    ],
)  # fmt: skip
def test_programs_are_named_as_the_users_shell_finds_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: str,
    path: str,
    variables: dict[str, str],
    named: str,
) -> None:
    for name in (".venv/bin/fixchain", ".venv/bin/alembic", "others/alembic", "kept/fixchain"):
        script(tmp_path / name, "")
        script(tmp_path / Path(name).name, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [started])
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / path) if path else os.defpath)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert " ".join(map(as_found, ("fixchain", "alembic"))) == named


@pytest.mark.parametrize("started", [["fixchain"], ["python", "-m", "flask_chainfix"]])
def test_what_is_printed_works_where_no_environment_is_active(
    sample: Path, started: list[str]
) -> None:
    variables = {"PATH": os.defpath, "CI": ""}
    program, *words = started
    options = ("-d", "sample_app/migrations")
    done = run(SCRIPTS / program, *words, *options, "check", cwd=sample, env=variables)
    (repair,) = (line for line in done.stdout.splitlines() if line.endswith("--dry-run"))
    again = run("sh", "-c", repair, cwd=sample, env=variables)
    assert again.exit_code == 1, again
    assert "+down_revision = 'ptero_eggs_001'" in again.stdout


_RUNS = "from flask import Flask\napp = Flask(__name__)\n"
_MAKES = "from flask import Flask\ndef create_app(config=None):\n    return Flask(__name__)\n"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"blog.py": _RUNS}, "flask --app blog db"),
        ({"blog/__init__.py": _MAKES, "test_blog.py": _RUNS}, "flask --app blog db"),
        ({"src/my blog/__init__.py": _MAKES}, "flask --app 'src/my blog' db"),
        ({"blog.py": "app = create_app()", "web/__init__.py": _MAKES}, "flask --app blog db"),
        ({"app.py": _RUNS, "blog.py": _RUNS}, "flask db"),
        ({".flaskenv": "FLASK_APP=blog", "blog.py": _RUNS}, "flask db"),
        ({"blog.py": _RUNS, "shop.py": _RUNS}, "flask --app APP db"),
        ({"blog.py": _MAKES.replace("=None", "")}, "flask --app APP db"),
        ({"blog.py": "def create_app("}, "flask --app APP db"),
    ],
)
def test_the_console_script_names_the_app_that_flask_would_not_find(
    project: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], named: str
) -> None:
    monkeypatch.delenv("FLASK_APP", raising=False)
    environment(project / "migrations", *BROKEN)
    (project / "migrations/env.py").write_text("from flask import current_app\n")
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    lines = [line.strip() for line in fixchain("check", "--verbose").stdout.splitlines()]
    assert f"{named} history" in lines


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "fixchain repair"),
        (["-d", "other place"], "fixchain -d 'other place' repair"),
        (["-c", "alembic.ini"], "fixchain -c alembic.ini repair"),
    ],
)
def test_advice_names_the_options_that_find_the_environment(
    project: Path, options: list[str], named: str
) -> None:
    for name in ("migrations", "other place"):
        environment(project / name, *BROKEN)
    (project / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    done = fixchain(*options, "check")
    assert named in [line.strip() for line in done.stdout.splitlines()]


def test_the_configuration_that_alembic_would_find_is_found(project: Path) -> None:
    environment(project / "place", *BROKEN)
    assert fixchain("check").exit_code == 3
    (project / "alembic.ini").write_text("[alembic]\nscript_location = place\n")
    done = fixchain("check", "--verbose")
    assert done.exit_code == 1
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert {"fixchain repair", "alembic heads"} <= set(lines)
    environment(project / "migrations", *HEALTHY)
    assert fixchain("check").exit_code == 0


@pytest.mark.usefixtures("warm_programs")
def test_a_section_of_the_ini_is_chosen_as_alembic_does_it(project: Path) -> None:
    environment(project / "healthy", *HEALTHY)
    environment(project / "broken", *BROKEN)
    for name in ("alembic.ini", "other.ini"):
        (project / name).write_text(
            "[alembic]\nscript_location = healthy\n\n[second]\nscript_location = broken\n"
        )
    assert fixchain("check").exit_code == 0
    for options in ("-n second", "-c other.ini -n second"):
        done = fixchain(*options.split(), "check", "--verbose")
        lines = [line.strip() for line in done.stdout.splitlines()]
        assert done.exit_code == 1
        assert f"fixchain {options} repair" in lines
        shown = run("alembic", *options.split(), "heads", cwd=project)
        assert f"alembic {options} heads" in lines
        assert shown.stdout.split() == ["b", "(head)", "d", "(head)", "e", "(head)"]
    repaired = fixchain("-n", "second", "repair", "--yes", cwd=project)
    assert repaired.exit_code == 0, repaired.stderr
    refused = fixchain("-n", "third", "check")
    assert refused.exit_code == 3
    assert "alembic.ini has no section [third]" in refused.stderr
    assert fixchain("-d", "broken", "-n", "second", "check").exit_code == 2


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("migrations/alembic.ini", "alembic -c migrations/alembic.ini"),
        ("alembic.ini", "alembic"),
    ],
)
@pytest.mark.usefixtures("warm_programs")
def test_advice_names_the_configuration_that_alembic_needs(
    project: Path, config: str, named: str
) -> None:
    environment(project / "migrations", *BROKEN)
    (project / config).write_text("[alembic]\nscript_location = migrations\n")
    told = fixchain("-d", "migrations", "check", "--verbose").stdout
    lines = [line.strip() for line in told.splitlines()]
    assert f"{named} heads" in lines
    done = run(*named.split(), "heads", cwd=project)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == ["b", "(head)", "d", "(head)", "e", "(head)"]


@pytest.mark.usefixtures("warm_programs")
def test_advice_about_a_bad_configuration_names_the_file(project: Path) -> None:
    (project / "else.ini").write_text("[alembic]\nscript_location = gone\n")
    done = fixchain("-c", "else.ini", "check")
    assert done.exit_code == 3
    *_, command = done.stderr.split("\n  ")
    assert command == "alembic -c else.ini heads\n"
    (project / "else.ini").write_text("[alembic]\nscript_location = migrations\n")
    environment(project / "migrations", *BROKEN)
    assert run(*command.split(), cwd=project).exit_code == 0


@pytest.mark.usefixtures("warm_programs")
def test_advice_names_the_pyproject_that_alembic_needs(project: Path) -> None:
    if not hasattr(Config(), "toml_file_name"):
        pytest.skip("this Alembic knows no pyproject.toml")
    environment(project / "backend/migrations", *BROKEN)
    settings = project / "backend/pyproject.toml"
    settings.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    done = fixchain("-d", "backend/migrations", "check", "--verbose")
    named = "alembic -c backend/pyproject.toml"
    assert f"{named} heads" in [line.strip() for line in done.stdout.splitlines()]
    assert run(*named.split(), "heads", cwd=project).exit_code == 0


def test_advice_where_no_repair_can_be_planned(project: Path) -> None:
    place = environment(project / "migrations", *BROKEN)
    (place / "versions/half.py").write_text("revision = 'half'\ndef (\n")
    text = " ".join(fixchain("check").stdout.split())
    assert "No repair can be planned yet: the chain cannot be relinked while it has FC106" in text
    assert "What to do 1. Correct the file" in text
    assert text.endswith("2. Look again: fixchain check")


def test_advice_repeats_strict(project: Path) -> None:
    environment(project / "migrations", *JOINED)
    done = fixchain("check", "--strict")
    assert "fixchain repair --strict" in [line.strip() for line in done.stdout.splitlines()]


def test_the_sample_from_the_executable(sample: Path) -> None:
    """The console script needs neither the app nor its dependencies."""
    (sample / "sample_app/__init__.py").write_text("raise SystemExit('nobody imports the app')\n")
    done = fixchain("-d", "sample_app/migrations", "check", cwd=sample)
    assert done.exit_code == 1
    assert "3 bases, 5 heads" in done.stdout


def test_other_programs_import_the_group_of_the_console_script() -> None:
    from flask_chainfix.cli import main

    assert {"check", "repair"} <= set(main.commands)
