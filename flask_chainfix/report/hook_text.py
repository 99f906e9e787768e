"""Hooks, jobs and checklists for people and for scripts: what belongs where, and what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.wording import count
from flask_chainfix.model.hook_files import HookFile, HookState
from flask_chainfix.report.advice import Step
from flask_chainfix.report.page import Row, Section, line_style, shown_path, unified_diff
from flask_chainfix.report.results import HookPlan


def verdict(plan: HookPlan) -> str:
    """The one line that says it all."""
    states = [file.state for file in plan.files]
    if plan.is_done:
        return f"Written: {count(states.count(HookState.WRITTEN), 'file')}."
    if HookState.SHOWN in states:
        return "What belongs where; nothing is written."
    if HookState.PLANNED in states:
        return f"To be written: {count(states.count(HookState.PLANNED), 'file')}."
    if HookState.REFUSED in states:
        return "Nothing is written: the lines below are for you to add."
    if any(file.detail for file in plan.files):
        return "Nothing is written: what is there may do the same, or not; please look."
    return "There is nothing to do: everything is in place."


def sections(plan: HookPlan) -> list[Section]:
    """A part for each file: a diff, lines to copy, or what became of it."""
    return [
        Section(file.name, shown_path(file.path), tuple(_rows(file, again=plan.is_done)))
        for file in plan.files
    ]


def _rows(file: HookFile, *, again: bool) -> Iterator[Row]:
    if file.state is HookState.PLANNED and file.edit is not None:
        for line in unified_diff([file.edit]):
            yield Row(line, line_style(line), wrapped=False)
    elif file.state is HookState.WRITTEN:
        yield Row("written", "green")
    elif file.state is HookState.THERE:
        yield Row("already there" + (f", {file.detail}; left alone" if file.detail else ""))
    elif file.state is HookState.REFUSED:
        yield Row(f"left alone: {file.detail}", "yellow")
    elif file.detail:
        yield Row(file.detail, "yellow")
    if file.state is HookState.SHOWN or (file.state is HookState.REFUSED and not again):
        for line in file.text.splitlines():
            yield Row(line, wrapped=False)


def steps(plan: HookPlan) -> list[Step]:
    """What is left to do when the files are written."""
    if not plan.is_done:
        return []
    uses_pre_commit = plan.files[0].path.name == ".pre-commit-config.yaml"
    install = "pre-commit install" if uses_pre_commit else f"{plan.tools.fixchain} hook --install"
    committed = [
        path_word(shown_path(file.path))
        for file in plan.files
        if file.state is HookState.WRITTEN and ".git" not in file.path.parts
    ]
    commit = Step(
        "Look at the files, and commit them:",
        (f"git add {' '.join(committed)}", 'git commit -m "Check the migration chain"'),
    )
    again = Step("In every other clone, as Git copies no hooks, type once:", (install,))
    return [commit, again] if committed else [again]


def as_json(files: tuple[HookFile, ...]) -> list[dict[str, Any]] | None:
    """The value in the JSON document."""
    return [
        {
            "name": file.name,
            "path": shown_path(file.path),
            "state": file.state.value,
            "detail": file.detail or None,
            "text": file.text,
        }
        for file in files
    ] or None
