"""``pytest --fixchain``, run by pytest on projects of its own."""

from __future__ import annotations

import pytest

from flask_chainfix.diagnosis.rules import Family, all_rules
from tests.disk import environment

pytest_plugins = ("pytester",)

HEALTHY = ("a", "b <- a")
HEADS = ("a", "b <- a", "c <- a")
MISSING = ("a", "b <- gone")
WARNING = ("a", "a_name_that_is_longer_than_the_column <- a")
_ELSEWHERE = (Family.DATABASE, Family.PUBLISHED, Family.REHEARSAL, Family.MERGE)
RULES = [rule for rule in all_rules() if rule.family not in _ELSEWHERE]
FC102 = "error: 2 heads where there should be one: b, c"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project, in which nothing of the developer's shell counts."""
    # Most of what pytest imports would be that.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    return pytester


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    return {name: number for name, number in result.parseoutcomes().items() if name != "deselected"}


# --- Projects that do not use it -----------------------------------------------------------------


def test_without_the_option_there_is_no_test_and_nothing_is_imported(
    project: pytest.Pytester,
) -> None:
    environment(project.path / "migrations", *HEADS)
    project.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            assert "flask_chainfix.pytest_plugin" in sys.modules
            ours = {name for name in sys.modules if name.startswith("flask_chainfix")}
            assert ours == {"flask_chainfix", "flask_chainfix.pytest_plugin"}
            assert not {"alembic", "flask", "rich", "sqlalchemy"} & set(sys.modules)
        """
    )
    result = project.runpytest_subprocess("-W", "error", "--strict-markers")
    assert outcomes(result) == {"passed": 1}


def test_a_chain_alone_needs_nothing_about_databases_and_git(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", "a", "b <- a")
    project.makepyfile(
        """
        import sys

        def test_what_is_imported():
            parts = ("flask_chainfix.databases.applied", "flask_chainfix.git")
            assert "flask_chainfix.commands.check" in sys.modules
            assert not [name for name in sys.modules if name.startswith(parts)]
        """
    )
    result = project.runpytest_subprocess("--fixchain")
    assert "failed" not in outcomes(result)


def test_it_can_be_switched_off(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("-p", "no:fixchain", "--fixchain")
    assert result.ret is pytest.ExitCode.USAGE_ERROR


# --- Tests and results ---------------------------------------------------------------------------


def test_each_rule_is_a_test_also_where_there_are_no_others(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *HEALTHY)
    result = project.runpytest("--fixchain", "--strict-markers", "-v")
    assert result.ret is pytest.ExitCode.OK
    assert outcomes(result) == {"passed": len(RULES)}
    result.stdout.fnmatch_lines(
        [f"migrations::{rule.code}-{rule.name} PASSED*" for rule in RULES], consecutive=True
    )


def test_they_stand_beside_other_tests(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *HEADS)
    project.makepyfile("def test_of_the_project(): pass")
    result = project.runpytest("--fixchain")
    assert result.ret is pytest.ExitCode.TESTS_FAILED
    assert outcomes(result) == {"passed": len(RULES), "failed": 1}


def test_a_failure_is_the_text_of_the_finding_and_nothing_of_pytest(
    project: pytest.Pytester,
) -> None:
    environment(project.path / "migrations", *HEADS)
    result = project.runpytest("--fixchain", "-vv")
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "_ FC102 multiple-heads _" in line)
    assert lines[start + 1] == FC102
    assert lines[start + 2].startswith("breaks: “alembic upgrade” stops with ")
    assert lines[start + 3 : start + 5] == [
        "migrations/versions/b_add_b.py:13",
        "migrations/versions/c_add_c.py:13",
    ]
    end = next(number for number in range(start, len(lines)) if lines[number].startswith("====="))
    assert lines[start + 5 : start + 8] == [
        "remedies, the best first:",
        "  1. link them into one chain:",
        "     fixchain -d migrations repair",
    ]
    assert all(line.startswith("  ") for line in lines[start + 6 : end])
    result.stdout.fnmatch_lines(
        [
            "migrations::FC102-multiple-heads <- migrations/versions/b_add_b.py FAILED*",
            "FAILED migrations::FC102-multiple-heads - *2 heads where there *",
        ]
    )


def test_each_finding_of_a_rule_is_told(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", "a <- gone", "b <- lost")
    result = project.runpytest("--fixchain", "-k", "FC103")
    result.stdout.fnmatch_lines(["error: a names 'gone' *", "", "error: b names 'lost' *"])


def test_warnings_are_warnings_of_pytest(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *WARNING)
    result = project.runpytest("--fixchain", "-W", "default")  # here they would be errors
    assert result.ret is pytest.ExitCode.OK
    assert outcomes(result) == {"passed": len(RULES), "warnings": 1}
    result.stdout.fnmatch_lines(
        [
            "*migrations/versions/a_name_that*.py:13: ChainWarning: warning: the id a_name_that*",
            "*remedies, the best first:*",
        ]
    )


@pytest.mark.parametrize(
    ("option", "ended"),
    [
        ("error", {"passed": len(RULES) - 1, "failed": 1}),
        ("ignore::flask_chainfix.pytest_plugin.ChainWarning", {"passed": len(RULES)}),
    ],
)
def test_the_projects_own_filters_decide_what_becomes_of_warnings(
    project: pytest.Pytester, option: str, ended: dict[str, int]
) -> None:
    environment(project.path / "migrations", *WARNING)
    result = project.runpytest("--fixchain", "-W", option)
    assert outcomes(result) == ended
    if "failed" in ended:
        result.stdout.fnmatch_lines(["*_ FC109 revision-id-too-long _*", "warning: the id a_name*"])
        result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_ignored_rules_are_skipped_with_a_reason(project: pytest.Pytester) -> None:
    place = environment(project.path / "migrations", *HEADS)
    (place / "alembic.ini").write_text("[fixchain]\nignore = FC102, FC109\n")
    result = project.runpytest("--fixchain", "-rs")
    assert result.ret is pytest.ExitCode.OK
    assert outcomes(result) == {"passed": len(RULES) - 2, "skipped": 2}
    result.stdout.fnmatch_lines(["SKIPPED * ignored by the settings"])


def test_what_was_not_judged_does_not_pass(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *MISSING)
    result = project.runpytest("--fixchain", "-rs")
    waiting = sum(rule.family in (Family.SCHEMA, Family.LOCK) for rule in RULES)
    assert outcomes(result) == {
        "passed": len(RULES) - waiting - 1,
        "failed": 1,
        "skipped": waiting,
    }
    result.stdout.fnmatch_lines(["SKIPPED * judged only once the chain itself is known"])


# --- Options of pytest ---------------------------------------------------------------------------


def test_tests_are_chosen_by_their_codes(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *HEADS)
    project.makepyfile("def test_of_the_project(): pass")
    result = project.runpytest("--fixchain", "-k", "FC102 or FC101")
    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "deselected": len(RULES) - 1}
    result = project.runpytest("--fixchain", "--lf")
    assert outcomes(result) == {"failed": 1}
    result = project.runpytest("--fixchain", "--deselect", "migrations::FC102-multiple-heads")
    assert result.ret is pytest.ExitCode.OK


def test_tests_are_listed_and_not_run(project: pytest.Pytester) -> None:
    environment(project.path / "migrations", *HEADS)
    result = project.runpytest("--fixchain", "--collect-only", "-q")
    assert result.ret is pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["migrations::FC101-multiple-bases", "*", f"{len(RULES)} tests collected*"]
    )


def test_workers_share_the_tests(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    environment(project.path / "pay/migrations", *HEADS)
    result = project.runpytest_subprocess(
        "--fixchain", "--fixchain-directory", "pay/migrations", "-n", "2"
    )
    assert outcomes(result) == {"passed": len(RULES) - 1, "failed": 1}
    result.stdout.fnmatch_lines([FC102])


# --- Where the migrations are --------------------------------------------------------------------


def test_the_directory_is_named_as_seen_from_where_pytest_is_started(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(project.path / "pay/migrations", *HEADS)
    project.makeini("[pytest]\nfixchain_directory = nowhere\n")
    for place, named in ((project.path, "pay/migrations"), (project.path / "pay", "migrations")):
        monkeypatch.chdir(place)
        result = project.runpytest(
            "--fixchain", "--fixchain-directory", named, "-k", "FC102", "--rootdir", project.path
        )
        assert outcomes(result) == {"failed": 1}
        result.stdout.fnmatch_lines([f"FAILED {named}::FC102-multiple-heads - *"])


@pytest.mark.parametrize("configuration", ["", "fixchain_directory = pay/migrations"])
def test_else_it_is_that_of_the_ini_file_wherever_pytest_is_started(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, configuration: str
) -> None:
    environment(project.path / "migrations", *HEALTHY)
    environment(project.path / "pay/migrations", *HEADS)
    project.makeini(f"[pytest]\n{configuration}\n")
    (project.path / "tests").mkdir()
    monkeypatch.chdir(project.path / "tests")
    result = project.runpytest("--fixchain", "-k", "FC102")
    assert outcomes(result) == ({"failed": 1} if configuration else {"passed": 1})


def test_a_configuration_file_may_name_it(project: pytest.Pytester) -> None:
    environment(project.path / "pay/db", *HEADS)
    (project.path / "pay/alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/db\n[fixchain]\nignore = FC109\n"
    )
    result = project.runpytest("--fixchain", "--fixchain-directory", "pay/alembic.ini")
    assert outcomes(result) == {"passed": len(RULES) - 2, "failed": 1, "skipped": 1}
    result.stdout.fnmatch_lines(["FAILED pay/alembic.ini::FC102-multiple-heads - *"])


def test_without_a_directory_migrations_the_configuration_is_found(
    project: pytest.Pytester,
) -> None:
    environment(project.path / "db", *HEADS)
    (project.path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/db\n")
    result = project.runpytest("--fixchain", "-k", "FC102")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["* fixchain -c alembic.ini repair"])


@pytest.mark.parametrize("chosen", [[], ["-k", "FC102"]])
@pytest.mark.parametrize("there", [False, True])
def test_without_migrations_one_test_fails_with_what_to_do(
    project: pytest.Pytester, chosen: list[str], there: bool
) -> None:
    if there:
        (project.path / "migrations/versions").mkdir(parents=True)
        (project.path / "migrations/env.py").touch()
    result = project.runpytest("--fixchain", *chosen)
    assert result.ret is pytest.ExitCode.TESTS_FAILED
    assert outcomes(result) == {"failed": 1}
    message = "there are no migrations in *" if there else "there is no directory migrations"
    result.stdout.fnmatch_lines(
        [
            f"error: {message}",
            "remed*",
            "pytest looks where --fixchain-directory points, or fixchain_directory in *",
            "FAILED migrations::check - *",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_name_that_no_file_can_have_is_told(project: pytest.Pytester) -> None:
    result = project.runpytest("--fixchain", "--fixchain-directory", "m" * 300)
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["error: *mmm*", "remed*"])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


# --- No app --------------------------------------------------------------------------------------


def test_neither_flask_nor_any_migration_is_imported(project: pytest.Pytester) -> None:
    place = environment(project.path / "migrations", *HEALTHY)
    stop = "raise SystemExit('was imported')\n"
    (place / "env.py").write_text(f"from flask import current_app\n{stop}")
    for file in place.glob("versions/*.py"):
        file.write_text(f"{file.read_text()}\n{stop}")
    project.makeconftest(
        """
        import sys
        from importlib.machinery import SourceFileLoader

        def pytest_sessionfinish():
            ours = sys.modules["flask_chainfix.commands.check"]
            assert type(ours.__loader__) is SourceFileLoader  # pytest has rewritten no assert
            assert "flask" not in sys.modules
        """
    )
    result = project.runpytest_subprocess("--fixchain")
    assert result.ret is pytest.ExitCode.OK
    assert outcomes(result) == {"passed": len(RULES)}
    assert not list(place.rglob("__pycache__"))
