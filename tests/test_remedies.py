"""Remedies: several ways, whole commands, each alone on its line."""

from __future__ import annotations

from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.report import remedy_lines
from flask_chainfix.report.advice import remedy_rows, remedy_text
from flask_chainfix.report.json_parts import remedies

TOOLS = Tools("flask db", "flask db fixchain", databases=" --database", stamps=" --stamp a")
BACK = way("bring its file back from Git", "{fixchain} repair --bring-back x{databases}")
DOWN = way("downgrade it there", "git checkout feature", "{alembic} downgrade a", "git checkout -")


def test_a_single_way_stands_behind_its_label() -> None:
    assert list(remedy_lines(BACK, TOOLS)) == [
        "remedy: bring its file back from Git:",
        "  flask db fixchain repair --bring-back x --database --stamp a",
    ]


def test_several_ways_are_a_numbered_list_with_the_best_first() -> None:
    assert list(remedy_lines(DOWN | BACK | "delete it by hand", TOOLS)) == [
        "remedies, the best first:",
        "  1. downgrade it there:",
        "     git checkout feature",
        "     flask db downgrade a",
        "     git checkout -",
        "  2. bring its file back from Git:",
        "     flask db fixchain repair --bring-back x --database --stamp a",
        "  3. delete it by hand",
    ]


def test_commands_are_never_wrapped() -> None:
    rows = [row for row in remedy_rows(DOWN | BACK, TOOLS) if " db " in row.text]
    assert rows
    assert not any(row.wrapped for row in rows)


def test_a_text_is_a_way_without_a_command() -> None:
    assert list(remedy_lines("start the server", TOOLS)) == ["remedy: start the server"]
    assert not list(remedy_lines("", TOOLS))


def test_scripts_get_the_commands_apart() -> None:
    assert remedies(DOWN | "wait", TOOLS) == [
        {
            "text": "downgrade it there",
            "commands": ["git checkout feature", "flask db downgrade a", "git checkout -"],
        },
        {"text": "wait", "commands": []},
    ]


def test_one_line_holds_all_of_it() -> None:
    assert remedy_text(DOWN | "wait", TOOLS) == (
        "downgrade it there: `git checkout feature`, then `flask db downgrade a`, then"
        " `git checkout -`; or wait"
    )


def test_alternatives_keep_their_order() -> None:
    assert (BACK | DOWN).ways == BACK.ways + DOWN.ways
    assert not Remedy.of("")


def test_a_way_that_does_not_work_gives_place_and_none_is_told_twice() -> None:
    repair = way("link them", "{fixchain} repair")
    merged = way("merge it, then repair", "git merge other", "{fixchain} repair")
    working = BACK | merged
    assert (repair | "wait").instead_of(["{fixchain} repair"], working) == working | "wait"
    assert (repair | BACK | merged).instead_of(["{fixchain} repair"], working) == working
    assert working.instead_of(["{fixchain} repair"], DOWN) == working  # it repairs another chain


def test_the_group_is_that_of_the_app_whatever_runs_the_program() -> None:
    app = Tools("uv run flask db", "uv run flask db fixchain", program="uv run flask db fixchain")
    assert app.spell_out("flask {group} init") == "flask db init"
    for program in ("fixchain", "uv run fixchain", "'/my own venv/fixchain'", "python -m fixchain"):
        tools = Tools("alembic", program, program=program)
        assert tools.spell_out("flask {group} init") == "flask db init", program
