"""Findings that are not told: those that comments in migrations hide, and those of before."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_chainfix.chain.source import ignores
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.model.files import Ignore
from flask_chainfix.model.findings import Severity
from tests.commands import Done, fixchain
from tests.rehearsals import add, plain
from tests.repositories import Repository, needs_git
from tests.support import chain

# --- Comments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1  # fixchain: ignore[FC204]\n", [(1, ("FC204",))]),
        ("\n#fixchain:ignore [fc204 , FC206,]  as it is\n", [(2, ("FC204", "FC206"))]),
        ("# noqa  # fixchain: ignore[FC110]\n", [(1, ("FC110",))]),
        ("# fixchain: ignore\n", [(1, ())]),
        ("# fixchain: ignore[FC204]\ndef (\n", [(1, ("FC204",))]),
        ("x = '# fixchain: ignore[FC204]'\n", []),
        ('"""\n# fixchain: ignore[FC204]\n"""\n', []),
        ("# fixchain: ignored[FC204]\n", []),
        ("# unfixchain: ignore[FC204]\n", []),
    ],
)
def test_comments_are_read_and_strings_are_not(
    source: str, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    assert ignores(source.encode()) == tuple(Ignore(*each) for each in expected)


GHOST = "op.add_column('ghost', sa.Column('x', sa.Integer()))"  # FC202: no migration makes it
CHECK = ("check", "--schema", "--strict")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a healthy migration."""
    monkeypatch.chdir(tmp_path)
    return plain(tmp_path, "a")


def said(done: Done) -> str:
    return " ".join(done.stdout.split())


def codes(done: Done) -> list[str]:
    return [each["code"] for each in done.document["findings"]]


def test_a_comment_hides_what_it_names_in_its_file_alone(project: Path) -> None:
    add(project, "b <- a", GHOST, "pass", before="# fixchain: ignore[FC202]")
    hidden = fixchain(*CHECK)
    assert hidden.exit_code == 0, hidden.stdout
    assert "FC202" not in hidden.stdout
    more = GHOST.replace("'x'", "'y'")  # the same finding, which points to both files then
    add(project, "c <- b", more, "pass")
    (left,) = fixchain(*CHECK, "--format", "json").document["findings"]
    assert (left["code"], left["revisions"]) == ("FC202", ["b", "c"])
    assert "hides nothing" not in said(fixchain(*CHECK))
    add(project, "c <- b", more, "pass", before="# fixchain: ignore[FC202]")
    assert fixchain(*CHECK).exit_code == 0


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# fixchain: ignore[FC202, FC999]", "ignore[FC999] hides nothing: there is no such code"),
        ("# fixchain: ignore[FC202, FC203]", "ignore[FC203] hides nothing, and can be removed"),
        ("# fixchain: ignore[FC202, FC102]", "ignore[FC102] hides nothing: a comment hides only"),
        ("# fixchain: ignore[FC202, FC501]", "ignore[FC501] hides nothing: a comment hides only"),
        (
            "# fixchain: ignore[FC202]\n# fixchain: ignore",
            "ignore hides nothing, as it names no code",
        ),
        ("# fixchain: ignore[FC202]", ""),
    ],
)
def test_a_comment_that_hides_nothing_is_told(project: Path, comment: str, expected: str) -> None:
    add(project, "b <- a", GHOST, "pass", before=comment)
    done = fixchain(*CHECK)
    assert done.exit_code == 0, done.stdout
    assert expected in said(done)
    assert ("b_add.py:" in said(done)) == bool(expected)


@pytest.mark.parametrize("output_format", ["text", "github", "sarif", "junit", "json"])
def test_what_a_comment_holds_is_data(project: Path, output_format: str) -> None:
    hostile = "\x1b[31m\u202e::error::" + "x" * 10_000
    add(project, "b <- a", before=f"# fixchain: ignore[{hostile}, FC999, FC998, FC997]")
    done = fixchain("check", "--format", output_format)
    assert done.exit_code == 0, done.stderr
    assert not {"\x1b", "\u202e"} & set(done.stdout)
    assert "\n::error::" not in done.stdout
    assert "x" * 100 not in done.stdout


def test_what_is_not_judged_is_not_called_idle(project: Path) -> None:
    add(project, "b <- a", GHOST, "pass", before="# fixchain: ignore[FC202]")
    assert "hides nothing" not in said(fixchain("check"))


def test_what_stops_alembic_cannot_be_hidden(project: Path) -> None:
    comment = "# fixchain: ignore[FC102, FC103]"
    add(project, "b <- a", before=comment)
    add(project, "c <- gone", before=comment)
    done = fixchain("check", "--format", "json")
    assert (done.exit_code, {"FC103"} <= set(codes(done))) == (1, True)
    assert "hides nothing" in "".join(done.document["notices"])


def test_a_merge_point_that_alembic_cannot_pass_stays_an_error() -> None:
    """FC112 can be hidden as a warning, and not where it stops an upgrade."""
    comment = b"# fixchain: ignore[FC112]\n"
    specs = ("a", "b <- a", "m <- a, b")
    (found,) = diagnose(chain(*specs))
    data = {path.name: path for path in (place.path for place in found.locations)}
    (name,) = data
    snapshot = chain(*specs)
    text = snapshot.file("m").data + comment
    hidden = diagnose(chain(*specs[:2], extra={name: text}))
    assert [each.code for each in hidden] == (
        [] if found.severity is Severity.WARNING else ["FC112"]
    )


# --- What is new since a Git revision ------------------------------------------------------------


@needs_git
def test_only_what_is_new_is_told_and_counts(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a", "b <- a")
    old = add(repository.top, "ghostly <- b", GHOST, "pass")
    repository.commit(0)
    since = (*CHECK, "--since", "main")
    assert codes(fixchain(*CHECK, "--format", "json")) == ["FC202"]
    done = fixchain(*since)
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing is wrong with what is new since main")
    assert "1 finding left out, about what main has as well: FC202" in said(done)
    assert fixchain(*since, "--format", "json").document["since"] == {"ref": "main", "left_out": 1}
    # What is new has a fault of its own.
    add(repository.top, "new <- ghostly", GHOST.replace("ghost", "spirit"), "pass")
    document = fixchain(*since, "--format", "json").document
    assert [each["revisions"] for each in document["findings"]] == [["new"]]
    # What others have, and was changed here, is new as well; line ends do not count.
    old.write_bytes(old.read_bytes().replace(b"\n", b"\r\n"))
    assert len(fixchain(*since, "--format", "json").document["findings"]) == 1
    old.write_text(old.read_text() + "# changed\n")
    assert len(fixchain(*since, "--format", "json").document["findings"]) == 2


@needs_git
def test_faults_of_the_whole_chain_stay_where_they_touch_what_is_new(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a", "b <- a")
    repository.commit(0)
    add(repository.top, "c <- a")
    done = fixchain("check", "--since", "main")
    assert done.exit_code == 1
    assert "FC102" in done.stdout
    assert "left out" not in done.stdout
    repository.commit(1)
    done = fixchain("check", "--since", "HEAD")
    assert done.exit_code == 0
    assert "FC102" in said(done)
    assert "What to do" not in done.stdout


@needs_git
def test_a_chain_lock_that_was_not_kept_up_counts_where_something_is_new(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a")
    assert fixchain("lock", "--yes").exit_code == 0
    repository.commit(0)
    add(repository.top, "b <- a")
    since = ("check", "--since", "HEAD", "--format", "json")
    assert codes(fixchain(*since)) == ["FC502"]
    repository.commit(1)
    assert fixchain(*since).document["since"] == {"ref": "HEAD", "left_out": 1}


@needs_git
def test_what_is_gone_here_is_missed_by_what_others_have_as_well(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a", "b <- a")
    repository.commit(0)
    (repository.top / "migrations/versions/a_add.py").unlink()
    done = fixchain("check", "--since", "main")
    assert done.exit_code == 1
    assert "names 'a'" in said(done)


@needs_git
def test_a_revision_that_git_does_not_know(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a")
    repository.commit(0)
    for ref in ("nowhere", "--output=x", ""):
        done = fixchain("check", f"--since={ref}")
        assert done.exit_code == 3, ref
        assert done.stderr.startswith("error: ")
    assert fixchain("check", "--since", "main", "--no-git").exit_code == 2
