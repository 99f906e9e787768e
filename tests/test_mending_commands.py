"""What is mended in single migrations, through the real commands, databases and Git."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from tests import disk
from tests.commands import Done, fixchain, on_terminal
from tests.disk import environment
from tests.rehearsals import plain
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql
from tests.support import migration, rev

YES = ("--yes",)
JSON = ("--format", "json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def migrations(place: Path) -> dict[str, tuple[bytes | str | None, int]]:
    """What is in the version location but bytecode, which comes and goes."""
    found = disk.migrations(place)
    return {name: node for name, node in found.items() if "__pycache__" not in name}


def repair(*arguments: str) -> Done:
    return fixchain("repair", *arguments)


# --- Guesses -------------------------------------------------------------------------------------


def test_a_guess_wants_a_word(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a", "c <- gone")
    before = migrations(place)

    refused = repair(*YES)
    assert refused.exit_code == 3
    assert "error: not all of the plan is certain: c is placed" in refused.stderr
    assert refused.stderr.count("Nothing was changed.\n") == 1
    assert "  fixchain repair --accept-guesses --yes\n" in refused.stderr
    assert migrations(place) == before

    shown = repair("--dry-run", *JSON)
    assert shown.exit_code == 1
    (relink,) = shown.document["plan"]["relinks"]
    assert "guess" in {reason["kind"] for reason in relink["why"]}

    done = repair(*YES, "--accept-guesses", *JSON)
    assert done.exit_code == 0
    assert done.document["verified"]["heads"] == ["c"]
    assert fixchain("undo", *YES).exit_code == 0
    assert migrations(place) == before


def test_a_check_says_that_there_are_guesses_to_judge(project: Path) -> None:
    environment(project / "migrations", "a", "b <- a", "c <- gone")
    assert "it has 1 guess for you to review" in " ".join(fixchain("check").stdout.split())


@pytest.mark.parametrize(("answer", "exit_code"), [("y\n", 0), ("n\n", 1)])
@pytest.mark.usefixtures("warm_programs")
def test_at_the_prompt_guesses_are_counted(project: Path, answer: str, exit_code: int) -> None:
    environment(project / "migrations", "a", "b <- a", "c <- gone")
    done = on_terminal("fixchain", "repair", cwd=project, answer=answer)
    assert done.exit_code == exit_code, done
    assert "Make these changes, and accept 1 guess? [y/N]" in done.stdout + done.stderr


def test_what_is_certain_needs_no_word(project: Path) -> None:
    environment(project / "migrations", "aaaaaa", "b <- AAAAAA", "c <- b")
    done = repair(*YES, *JSON)
    assert done.exit_code == 0
    assert done.document["plan"]["relinks"][0]["why"][0]["kind"] == "case"


# --- Files that come and go ----------------------------------------------------------------------


def test_a_copy_is_deleted_and_comes_back(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    versions = place / "versions"
    (versions / "b_add_b copy.py").write_bytes((versions / "b_add_b.py").read_bytes())
    before = migrations(place)

    done = repair(*YES, *JSON)
    assert done.exit_code == 0
    (mend,) = done.document["plan"]["mends"]
    assert (mend["code"], mend["part"]) == ("FC104", "file")
    assert mend["path"].endswith("b_add_b copy.py")
    assert {"b_add_b copy.py"} == before.keys() - migrations(place).keys()

    assert fixchain("undo", *YES).exit_code == 0
    assert migrations(place) == before


def test_another_id_goes_into_the_name_and_to_the_children(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    two = rev("b <- a", date="2025-01-01").doing("op.create_table('two')")
    child = rev("c <- b", date="2025-02-02").doing("op.drop_table('two')")
    (place / "versions" / "b_two.py").write_bytes(migration(two))
    (place / "versions" / "c_child.py").write_bytes(migration(child))
    before = migrations(place)

    done = repair(*YES, *JSON)
    assert done.exit_code == 0, done
    (mend,) = done.document["plan"]["mends"]
    (new_id,) = mend["after"]
    assert done.document["plan"]["order"] == ["a", "b", new_id, "c"]
    assert f"{new_id}_two.py" in migrations(place)
    assert fixchain("check").exit_code == 0

    assert fixchain("undo", *YES).exit_code == 0
    assert migrations(place) == before


# --- Ids that become shorter ---------------------------------------------------------------------

LONG = "a_revision_id_that_is_longer_than_the_table"
SHORT = "a_revision_id_that_is_longer_tha"


@pytest.fixture
def long_ids(project: Path) -> str:
    """A chain with a long id, and the URL of a database that has run it."""
    plain(project, "a", f"{LONG} <- a", f"c <- {LONG}")
    return upgraded(project, LONG)


def upgraded(project: Path, target: str, name: str = "app") -> str:
    url = f"sqlite:///{project / f'{name}.db'}"
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, target)
    return url


def test_stamps_follow_shorter_ids_there_and_back(project: Path, long_ids: str) -> None:
    other = upgraded(project, LONG, "other")
    before = migrations(project / "migrations")

    done = repair("--shorten-ids", "--database", long_ids, *YES)
    assert done.exit_code == 0, done
    assert rows_of(long_ids) == [SHORT]
    upgraded(project, "head")
    assert rows_of(long_ids) == ["c"]

    later = fixchain("restamp", "--database", other, *YES)
    assert later.exit_code == 0, later
    assert rows_of(other) == [SHORT]

    sql(long_ids, f"UPDATE alembic_version SET version_num = '{SHORT}'", "DROP TABLE c")
    undone = fixchain("undo", "--database", long_ids, "--database", other, *YES)
    assert undone.exit_code == 0, undone
    assert rows_of(long_ids) == rows_of(other) == [LONG]
    assert migrations(project / "migrations") == before


def test_undo_where_a_database_stands_above_a_shorter_id(project: Path, long_ids: str) -> None:
    upgraded(project, "head")
    before = migrations(project / "migrations")
    assert repair("--shorten-ids", "--database", long_ids, *YES).exit_code == 0
    assert rows_of(long_ids) == ["c"]
    undone = fixchain("undo", "--database", long_ids, *YES)
    assert undone.exit_code == 0, undone
    assert rows_of(long_ids) == ["c"]
    assert migrations(project / "migrations") == before


def test_undo_of_files_that_alembic_could_not_load(project: Path) -> None:
    plain(project, "a", "b <- a", "c <- b")
    url = upgraded(project, "head")
    path = project / "migrations/versions/b_add.py"
    path.write_text(path.read_text().replace("down_revision = 'a'", "down_revision = 'A'"))
    before = migrations(project / "migrations")
    assert repair("--database", url, *YES).exit_code == 0
    undone = fixchain("undo", "--database", url, *YES)
    assert undone.exit_code == 0, undone
    assert rows_of(url) == ["c"]
    assert migrations(project / "migrations") == before


def test_an_unknown_parent_is_told_before_anything_else(project: Path) -> None:
    environment(project / "migrations", "a <- b", "b <- a")
    refused = repair("--attach", "a=nope", *YES)
    assert refused.exit_code == 3
    assert "there is no revision 'nope'" in refused.stderr


def test_ids_stay_where_a_database_may_hold_them(project: Path, long_ids: str) -> None:
    before = migrations(project / "migrations")
    unseen = repair("--shorten-ids", *YES)
    assert unseen.exit_code == 3
    assert "no database was looked at" in unseen.stderr
    unreachable = repair("--shorten-ids", "--database", "postgresql+psycopg2://localhost:1/x", *YES)
    assert unreachable.exit_code == 3
    assert "cannot be read" in unreachable.stderr
    assert migrations(project / "migrations") == before


# --- Cycles --------------------------------------------------------------------------------------


def test_what_a_refused_cycle_is_told_works_when_typed(project: Path) -> None:
    place = environment(project / "migrations", "a <- c", "b <- a", "c <- b")
    for path in (place / "versions").iterdir():
        path.write_text(re.sub("Create Date: .*", "", path.read_text()))
    before = migrations(place)

    refused = repair(*YES)
    assert "fixchain repair --root a" in refused.stderr
    refused = repair(*YES, "--attach", "a=b")
    assert refused.exit_code == 3
    assert "--attach a=b would put it into a cycle of a, b" in refused.stderr
    assert "fixchain repair --root a" in refused.stderr
    assert migrations(place) == before

    done = repair(*YES, "--root", "a", *JSON)
    assert done.exit_code == 0, done
    assert done.document["plan"]["order"] == ["a", "b", "c"]
    assert done.document["verified"]["bases"] == ["a"]


# --- Git -----------------------------------------------------------------------------------------


def put_base(repository: Repository) -> None:
    path = repository.path("a")
    path.parent.mkdir(parents=True)
    path.write_bytes(migration(rev("a")))


@needs_git
def test_an_id_that_a_commit_has_changed(project: Path) -> None:
    repository = Repository(project)
    put_base(repository)
    repository.add("old", day=1, parent="a")
    path = repository.path("old")
    path.write_bytes(path.read_bytes().replace(b"'old'", b"'new'").replace(b": old", b": new"))
    repository.commit(2)
    repository.add("c", day=3, parent="old")
    (project / "migrations" / "env.py").touch()

    done = repair(*YES, *JSON)
    assert done.exit_code == 0, done
    (relink,) = done.document["plan"]["relinks"]
    assert (relink["before"], relink["after"]) == (["old"], ["new"])
    # The file still has the old name; without that, Git would tell.
    assert relink["why"][0]["kind"] == "file-name"
    assert fixchain("undo", *YES).exit_code == 0
    repository.move("old", "7")
    repository.commit(4)
    (relink,) = repair("--dry-run", *JSON).document["plan"]["relinks"]
    assert (relink["after"], relink["why"][0]["kind"]) == (["new"], "git")


@needs_git
def test_what_is_renamed_has_landed_when_it_did(project: Path) -> None:
    repository = Repository(project)
    put_base(repository)
    for day, (name, revision) in enumerate([("b_one", "b"), ("b_two", "b"), ("d", "d")]):
        path = repository.path(name)
        path.write_bytes(migration(rev(f"{revision} <- a").doing(f"op.create_table('{name}')")))
        repository.commit(day)
    (project / "migrations" / "env.py").touch()
    settings = "[alembic]\nscript_location = %(here)s\n[fixchain]\nmain_branch =\n"
    (project / "migrations" / "alembic.ini").write_text(settings)

    shown = repair("--dry-run").stdout
    done = repair(*YES, *JSON)

    assert done.exit_code == 0, done
    assert "2 files rewritten" in shown
    plan = done.document["plan"]
    _, _, renamed, last = plan["order"]
    assert plan["order"] == ["a", "b", renamed, "d"]
    assert [relink["revision"] for relink in plan["relinks"]] == [renamed, last]
    assert "not committed" not in str(plan)


@needs_git
def test_a_file_that_a_commit_has_deleted(project: Path) -> None:
    repository = Repository(project)
    put_base(repository)
    repository.put("gone", parent="a")
    repository.add("c", day=1, parent="gone")
    content = repository.path("gone").read_bytes()
    commit = repository.remove("gone", day=2)
    (project / "migrations" / "env.py").touch()

    shown = repair("--dry-run", *JSON)
    (new,) = shown.document["plan"]["new_revisions"]
    reasons = {reason["kind"]: reason["detail"] for reason in new["why"]}
    assert commit in reasons["git"]
    commands = [each["commands"] for each in shown.document["plan"]["choices"]]
    assert any("--attach c=a" in command for each in commands for command in each)

    back = repair(*YES, "--accept-guesses")
    assert back.exit_code == 0, back
    assert repository.path("gone").read_bytes() == content
    assert fixchain("undo", *YES).exit_code == 0

    bridged = repair(*YES, "--attach", "c=a", *JSON)
    assert bridged.exit_code == 0, bridged
    assert bridged.document["plan"]["order"] == ["a", "c"]


# --- Headers that are computed -------------------------------------------------------------------


@pytest.mark.parametrize(("value", "confirmed"), [("str('b')", True), ("str('a')", False)])
def test_what_is_planned_around_is_compared_with_what_alembic_reads(
    project: Path, value: str, confirmed: bool
) -> None:
    """The docstring says b: that counts as long as the file really is on it."""
    place = environment(project / "migrations", "a", "b <- a", "c <- b", "z")
    path = place / "versions" / "c_add_c.py"
    path.write_text(path.read_text().replace("down_revision = 'b'", f"down_revision = {value}"))
    before = migrations(place)

    done = repair(*YES, *JSON)

    assert done.exit_code == (0 if confirmed else 3), done
    if confirmed:
        assert done.document["plan"]["order"] == ["a", "b", "c", "z"]
        assert path.read_bytes() == before["c_add_c.py"][0]
    else:
        assert done.document["error"]["type"] == "NotConfirmed"
        assert migrations(place) == before


def test_a_lost_parent_makes_no_lineage_beside_one_that_is_meant(project: Path) -> None:
    place = environment(project / "migrations", "a @main", "b <- a", "z <- gone")
    before = migrations(place)
    refused = repair(*YES, "--accept-guesses")
    assert refused.exit_code == 3
    assert "nothing shows where z belongs" in refused.stderr
    assert migrations(place) == before
    assert repair(*YES, "--attach", "z=b").exit_code == 0


def test_where_a_docstring_says_that_more_has_run_the_user_tells(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a", "c <- b")
    file = place / "versions/c_add_c.py"
    written = file.read_text()
    by_hand = written.replace("down_revision = 'b'", "down_revision = 'a'")
    file.write_text(by_hand)
    command = ("repair", *YES, "--stamp", "c", *JSON)
    error = fixchain(*command).document["error"]
    assert "whether b has run there, too, is not known" in error["message"]
    assert "if b has run in --stamp c, make it the down_revision of c again" in error["remedy"]
    assert "if not, correct the line “Revises:”" in error["remedy"]
    file.write_text(written)
    assert fixchain(*command).document["plan"] is None
    file.write_text(by_hand.replace("Revises: b", "Revises: a"))
    assert fixchain(*command).document["plan"]["order"] == ["a", "c", "b"]


# --- Links to files elsewhere --------------------------------------------------------------------


def linked(place: Path, name: str, data: bytes, elsewhere: str = "shared") -> Path:
    """A link in the version location to a migration that others use, too."""
    target = place.parent / elsewhere / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(data)
    (place / "versions" / name).symlink_to(target)
    return target


def test_a_file_that_others_use_is_not_deleted(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    target = linked(place, "b_copy.py", (place / "versions/b_add_b.py").read_bytes())
    assert repair(*YES).exit_code == 0
    assert target.exists()
    assert sorted(migrations(place)) == ["a_add_a.py", "b_copy.py"]


def test_of_two_files_that_others_use_neither_is_deleted(project: Path) -> None:
    place = environment(project / "migrations", "a")
    linked(place, "b_one.py", migration(rev("b <- a")))
    linked(place, "b_two.py", migration(rev("b <- a")), "other")
    before = disk.tree(project)
    refused = repair(*YES)
    assert refused.exit_code == 3
    assert "remove the link to one of them" in refused.stderr
    assert disk.tree(project) == before


def test_a_file_that_others_use_keeps_its_name(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    later = rev("b <- a", date="2024-09-01").doing("op.drop_table('t')")
    target = linked(place, "b_later.py", migration(later))
    done = repair(*YES, "--accept-guesses")
    assert done.exit_code == 0, done
    assert (place / "versions/b_later.py").resolve() == target
    assert b"\nrevision = 'b'\n" not in target.read_bytes()


def test_a_file_that_others_use_is_named_before_it_is_rewritten(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    target = linked(place, "c.py", migration(rev("c <- a")))
    said = f"c.py is a link to {target}, which is rewritten there, for all who use it"
    (notice,) = [each for each in repair("--dry-run", *JSON).document["notices"] if "link" in each]
    assert notice == said
    assert repair(*YES).exit_code == 0
    assert (place / "versions/c.py").is_symlink()


# --- What to do afterwards -----------------------------------------------------------------------


def test_git_is_told_of_every_place(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    place = environment(repository.top / "my migrations", "a", "b <- a")
    more = environment(repository.top / "other place", "x <- b", "y <- b") / "versions"
    (repository.top / "alembic.ini").write_text(
        "[alembic]\nscript_location = my migrations\npath_separator = newline\n"
        f"version_path_separator = newline\nversion_locations =\n  {place}/versions\n  {more}\n"
    )
    repository.commit(0)
    done = fixchain("-c", "alembic.ini", "repair", *YES)
    assert done.exit_code == 0, done
    (advice,) = [line.strip() for line in done.stdout.splitlines() if "git add" in line]
    assert advice == "git add 'my migrations' 'other place/versions'"
    repository.git("add", "my migrations", "other place/versions")
    status = repository.git("status", "--porcelain", "--", "*.py")
    assert [line[:3] for line in status.splitlines()] == ["M  "]


def test_git_is_told_of_a_place_above_the_working_directory(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(repository.top / "migrations", "a", "b <- a", "c <- a")
    (repository.top / "src").mkdir()
    repository.commit(0)
    monkeypatch.chdir(repository.top / "src")
    done = fixchain("-d", "../migrations", "repair", *YES)
    assert done.exit_code == 0, done
    (advice,) = [line.strip() for line in done.stdout.splitlines() if "git add" in line]
    assert advice == "git add ../migrations"


def computed_parent(path: Path, parent: str) -> None:
    value = f"down_revision = {parent!r}"
    path.write_text(path.read_text().replace(value, f"down_revision = str({parent!r})"))


def test_of_two_heads_one_may_have_a_computed_parent(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a", "c <- a")
    computed_parent(place / "versions" / "b_add_b.py", "a")

    done = repair(*YES, *JSON)

    assert done.exit_code == 0, done
    assert done.document["plan"]["order"] == ["a", "b", "c"]
    assert [relink["revision"] for relink in done.document["plan"]["relinks"]] == ["c"]
    assert done.document["verified"]["heads"] == ["c"]


def test_a_base_with_a_computed_header_has_lost_no_parent(project: Path) -> None:
    place = environment(
        project / "migrations",
        "a",
        "b <- a",
        "c",
        "d +a",
        "e <- c",
        "f +c",
        "g <- e, f",
        "h <- c +a",
    )
    path = place / "versions" / "c_add_c.py"
    path.write_text(path.read_text().replace("down_revision = None", "down_revision = tuple()"))

    for _ in range(2):
        done = repair(*YES, *JSON, "--strict")
        assert done.exit_code == 0, done


def test_a_head_that_is_none_by_its_docstring_needs_no_repair(project: Path) -> None:
    place = environment(project / "migrations", "a", "b <- a")
    computed_parent(place / "versions" / "b_add_b.py", "a")
    done = repair(*YES, *JSON)
    assert done.exit_code == 0, done
    assert done.document["plan"] is None


# --- What cannot be mended -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        "def upgrade(:\n",  # FC106
        "revision = 'SHOP-17'\ndown_revision = 'a'\n",  # FC108
        "from alembic import op\nrevision = 'b'\ndown_revision = 'a'\n"
        "def upgrade():\n    op.create_table('t_a')\n",  # FC203
    ],
)
def test_a_repair_that_mends_nothing_says_so(project: Path, extra: str) -> None:
    place = environment(project / "migrations", "a")
    (place / "versions/b.py").write_text(extra)
    before = migrations(place)
    assert fixchain("check", "--schema", "--no-database").exit_code == 1
    done = repair(*YES)
    assert done.exit_code == 3, done
    assert "remed" in done.stderr
    assert migrations(place) == before


@needs_git
def test_a_labelled_base_that_was_deleted_comes_back_as_one(project: Path) -> None:
    """It belongs to no other base: that it names no parent is no fault."""
    repository = Repository(project)
    place = environment(project / "migrations", "a", "p1 @plug", "p2 <- p1")
    (place / "plugins").mkdir()
    for file in (place / "versions").glob("p*.py"):
        file.rename(place / "plugins" / file.name)
    (place / "alembic.ini").write_text(
        "[alembic]\npath_separator = space\n"
        "version_locations = %(here)s/versions %(here)s/plugins\n"
    )
    repository.commit(1)
    (gone,) = (place / "plugins").glob("p1_*.py")
    gone.unlink()
    repository.commit(2)
    assert repair("--dry-run").exit_code == 1
    done = repair(*YES, "--accept-guesses", *JSON)
    assert done.exit_code == 0, done
    assert done.document["verified"]["bases"] == ["a", "p1"]
    assert gone.exists()
