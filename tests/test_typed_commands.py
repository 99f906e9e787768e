"""Every command that is printed over the corpus is typed, as it stands, in a copy of the project.

A command must be whole: nothing is left to fill in. It must do what it says: the best way out of an
error ends that error, or is refused with another way; and no way ends where it began.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flask_chainfix.cli.groups import main
from tests.commands import Done, command_of, fixchain
from tests.rehearsals import add, plain
from tests.repositories import Repository, needs_git
from tests.specimens import SPECIMENS, Specimen, project, specimen
from tests.stamped import build, rows_of, sql, stamp
from tests.test_repair_properties import without_fresh_process

_ROLES = ("AUTHOR", "COMMITTER")
_ALONE = [name for name in SPECIMENS if (specimen(name).directory / "versions").is_dir()]


class Place(NamedTuple):
    """A project of the corpus, which is put back after each way that was tried."""

    specimen: Specimen
    top: Path
    kept: Path

    @property
    def options(self) -> list[str]:
        """How its databases are named."""
        expected = self.specimen.expected
        urls = (
            name if holds is None else f"sqlite:///{name}"
            for name, holds in expected.get("databases", {}).items()
        )
        stamps = (",".join(rows) for rows in expected.get("stamps", ()))
        options = [word for url in urls for word in ("--database", url)]
        return options + [word for rows in stamps for word in ("--stamp", rows)]

    @property
    def against(self) -> list[str]:
        """What check compares it with."""
        expected = self.specimen.expected
        if "against" not in expected:
            return []
        allowed = [word for each in expected.get("allow", ()) for word in ("--allow", each)]
        return ["--against", expected["against"], *allowed]

    def check(self) -> Done:
        """What check says, as text."""
        return fixchain("-d", "m", "check", *self.against, *self.options)

    def checked(self) -> dict[str, Any]:
        """What check says, for scripts."""
        command = ("-d", "m", "check", *self.against, *self.options, "--format", "json")
        return fixchain(*command).document

    def put_back(self) -> None:
        """As it was at the beginning."""
        for path in self.top.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        # With times of their own: of a file as old as its commit Git sees no change.
        shutil.copytree(
            self.kept, self.top, dirs_exist_ok=True, symlinks=True, copy_function=shutil.copy
        )


@pytest.fixture(params=_ALONE)
def place(
    request: pytest.FixtureRequest, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """Each project of the corpus in turn."""
    if (specimen(request.param).directory / "commits").is_dir() and shutil.which("git") is None:
        pytest.skip("there is no git")
    without_fresh_process(monkeypatch)
    found = project(specimen(request.param), top)
    shutil.copytree(top, tmp_path / "kept", symlinks=True)
    return Place(found.specimen, top, tmp_path / "kept")


def typed(command: str) -> Done:
    """Type a command, and say yes."""
    program, *words = shlex.split(command)
    if program == "fixchain":
        name = next(word for word in words if word in main.commands)
        return fixchain(*words, *_consent(name, words), "--format", "json")
    somebody = {f"GIT_{role}_{what}": "a" for role in _ROLES for what in ("NAME", "EMAIL")}
    env = {**os.environ, **somebody}
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def _consent(name: str, words: list[str]) -> list[str]:
    """What stands for a yes at the prompt, which also tells of the guesses."""
    options = {parameter.name for parameter in command_of(name).params}
    if "yes" not in options or "--dry-run" in words:
        return []
    return ["--yes", *(["--accept-guesses"] if "accept_guesses" in options else [])]


def can_be_typed(commands: Sequence[str]) -> bool:
    """Whether there are some, and none needs an ``env.py`` that runs: the corpus has none."""
    return bool(commands) and not any(
        command.startswith("alembic ") or " unwind " in command for command in commands
    )


def ways_of(done: Done) -> Iterator[list[str]]:
    """The commands of each way out that a command has named for what stopped it."""
    for way in (done.document["error"] or {"remedies": []})["remedies"]:
        yield way["commands"]


def findings_of(place: Place) -> list[dict[str, Any]]:
    """What check finds there."""
    findings = place.checked()["findings"]
    assert isinstance(findings, list)
    return findings


def errors_in(document: dict[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    """The errors of a document, as far as they can be told apart."""
    return {
        (each["code"], tuple(each["revisions"]))
        for each in document["findings"]
        if each["severity"] == "error"
    }


def test_every_way_out_can_be_typed_and_the_best_ends_the_error(place: Place) -> None:
    best_for: dict[tuple[str, ...], set[tuple[str, tuple[str, ...]]]] = {}
    for finding in findings_of(place):
        for number, way in enumerate(finding["remedies"]):
            ends = best_for.setdefault(tuple(way["commands"]), set())
            if number == 0 and finding["severity"] == "error":
                ends.add((finding["code"], tuple(finding["revisions"])))
    for way in filter(can_be_typed, best_for):
        place.put_back()
        for command in way:
            done = typed(command)
            assert done.exit_code in (0, 1, 3), f"{command}\n{done.stdout}\n{done.stderr}"
            if done.exit_code == 3:
                others = list(ways_of(done))
                assert [command] not in others, f"{command} names itself as the way out"
                assert done.document["error"]["remedies"] or not best_for[way]
                break
        else:
            left = errors_in(place.checked()) if best_for[way] else set()
            assert best_for[way].isdisjoint(left), way


def test_several_heads_become_one_as_the_way_out_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- a")
    (finding,) = fixchain("check", "--format", "json").document["findings"]
    told = {"linear": "link them into one chain", "merge": "join them with a merge revision"}
    for way, strategy in zip(finding["remedies"], ("linear", "merge"), strict=False):
        (command,) = way["commands"]
        assert way["text"] == told[strategy]
        assert typed(f"{command} --dry-run").document["plan"]["strategy"] == strategy


def test_a_fault_that_stops_the_repair_of_another_is_referred_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- a")
    told = ("--stamp", "lost")
    heads, lost = fixchain("check", *told, "--format", "json").document["findings"]
    assert (heads["code"], lost["code"]) == ("FC102", "FC301")
    assert heads["remedies"][0] == {"text": "fix FC301 first", "commands": []}
    assert not any(way in heads["remedies"] for way in lost["remedies"])


@needs_git
def test_the_commit_whose_chain_has_written_the_rows_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- a")
    before = repository.commit(1)
    add(tmp_path, "c <- b")  # relinked by hand
    repository.commit(2)
    add(tmp_path, "d <- c")
    repository.commit(3)
    assert_stamps_move_from(before)


def assert_stamps_move_from(before: str) -> None:
    """The printed command names the commit whose chain has written both rows, and works."""
    url = "sqlite:///app.db"
    stamp(url, "b", "c")
    sql(url, *(f"CREATE TABLE {name} (id INTEGER)" for name in "abc"))
    (finding,) = fixchain("check", "--database", url, "--format", "json").document["findings"]
    command = f"fixchain restamp --old {before} --database {url}"
    assert (finding["code"], finding["remedies"][0]["commands"]) == ("FC303", [command])
    assert typed(command).exit_code == 0
    assert rows_of(url) == ["c"]


@needs_git
def test_the_commit_may_be_on_another_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release has only some migrations, with other parents."""
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    plain(tmp_path, "a", "b <- a")
    repository.commit(1)
    repository.branch("release")
    add(tmp_path, "c <- a")
    before = repository.commit(2)
    repository.switch("main")
    add(tmp_path, "c <- b")
    repository.commit(3)
    assert_stamps_move_from(before)


@needs_git
def test_where_no_commit_explains_the_rows_git_lists_those_that_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- b")
    commit = repository.commit(1)
    url = "sqlite:///app.db"
    stamp(url, "b", "c")
    (finding,) = fixchain("check", "--database", url, "--format", "json").document["findings"]
    listing, restamp = finding["remedies"][0]["commands"]
    assert typed(listing).stdout.split()[0] == commit
    assert restamp == f"fixchain restamp --old COMMIT --database {url}"


@pytest.mark.parametrize("named", ["DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:1/x"])
def test_a_url_with_a_password_is_typed_by_the_name_of_its_variable(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:1/x")
    plain(tmp_path, "a", "b <- a", "c <- a")
    lines = [line.strip() for line in fixchain("check", "--database", named).stdout.splitlines()]
    assert "fixchain repair --database DATABASE_URL --dry-run" in lines
    assert not any("***" in line for line in lines if line.startswith("fixchain "))
    asked = typed("fixchain repair --database DATABASE_URL --dry-run").document["error"]
    assert asked["type"] == "DatabaseUnreachable"
    assert "u:***@127.0.0.1:1/x" in asked["message"]


def test_a_password_that_no_variable_holds_is_masked_and_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- a")
    done = fixchain("check", "--database", "postgresql://u:s3cret@127.0.0.1:1/x")
    assert "fixchain repair --database 'postgresql://u:***@127.0.0.1:1/x' --dry-run" in done.stdout
    assert "*** stands for a password, which is never printed" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr
    assert "***" not in fixchain("check", "--database", "sqlite:///app.db").stdout


def test_where_a_repair_asks_a_database_that_check_does_not_check_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- a")
    ini = "[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite:///app.db\n"
    (tmp_path / "alembic.ini").write_text(ini)
    build("sqlite:///app.db", "c")
    (notice,) = (each for each in notices_of("fixchain check") if "also reads" in each)
    command = notice.partition("`")[2].partition("`")[0]
    plans = [
        typed(each).document["plan"]["order"] for each in (command, "fixchain repair --dry-run")
    ]
    assert plans == [["a", "c", "b"]] * 2
    assert typed("fixchain check").document["plan"]["order"] == ["a", "b", "c"]
    for other in (command, "fixchain check --no-database"):
        assert not any("also reads" in each for each in notices_of(other))


def notices_of(command: str) -> list[str]:
    """What a command notes."""
    notices = typed(command).document["notices"]
    assert isinstance(notices, list)
    return notices
