"""Hooks, jobs and checklists for people and for scripts: what belongs where, and what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.wording import count
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.model.pieces import Piece, PieceState
from flask_chainfix.report.advice import Step
from flask_chainfix.report.page import Row, Section, line_style, shown_path, unified_diff


def verdict(report: Report) -> str:
    """The one line that says it all."""
    states = [piece.state for piece in report.pieces]
    if report.done:
        return f"Written: {count(states.count(PieceState.WRITTEN), 'file')}."
    if PieceState.SHOWN in states:
        return "What belongs where; nothing is written."
    if PieceState.PLANNED in states:
        return f"To be written: {count(states.count(PieceState.PLANNED), 'file')}."
    if PieceState.REFUSED in states:
        return "Nothing can be written."
    if any(piece.detail for piece in report.pieces):
        return "Nothing is written: what is there may do the same, or not; please look."
    return "There is nothing to do: everything is in place."


def sections(report: Report) -> list[Section]:
    """A part for each piece: a diff, lines to copy, or what became of it."""
    return [
        Section(piece.name, shown_path(piece.path), tuple(_rows(piece, again=report.done)))
        for piece in report.pieces
    ]


def _rows(piece: Piece, *, again: bool) -> Iterator[Row]:
    if piece.state is PieceState.PLANNED and piece.edit is not None:
        for line in unified_diff([piece.edit]):
            yield Row(line, line_style(line), wrapped=False)
    elif piece.state is PieceState.WRITTEN:
        yield Row("written", "green")
    elif piece.state is PieceState.THERE:
        yield Row("already there" + (f", {piece.detail}; left alone" if piece.detail else ""))
    elif piece.state is PieceState.REFUSED:
        yield Row(f"left alone: {piece.detail}", "yellow")
    if piece.state is PieceState.SHOWN or (piece.state is PieceState.REFUSED and not again):
        for line in piece.text.splitlines():
            yield Row(line, wrapped=False)


def steps(report: Report) -> list[Step]:
    """What is left to do when the files are written."""
    if not report.done:
        return []
    uses_pre_commit = report.pieces[0].path.name == ".pre-commit-config.yaml"
    install = "pre-commit install" if uses_pre_commit else f"{report.tools.fixchain} hook --install"
    committed = [
        path_word(shown_path(piece.path))
        for piece in report.pieces
        if piece.state is PieceState.WRITTEN and ".git" not in piece.path.parts
    ]
    commit = Step(
        "Look at the files, and commit them:",
        (f"git add {' '.join(committed)}", 'git commit -m "Check the migration chain"'),
    )
    again = Step("In every other clone, as Git copies no hooks, type once:", (install,))
    return [commit, again] if committed else [again]


def as_json(pieces: tuple[Piece, ...]) -> list[dict[str, Any]] | None:
    """The value in the JSON document."""
    return [
        {
            "name": piece.name,
            "path": shown_path(piece.path),
            "state": piece.state.value,
            "detail": piece.detail or None,
            "text": piece.text,
        }
        for piece in pieces
    ] or None
