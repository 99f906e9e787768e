"""The page of the command ``graph``: one self-contained file."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from jinja2 import Environment, StrictUndefined

from flask_chainfix.common.quoting import json_in_html, printable
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.findings import Finding
from flask_chainfix.report import advice
from flask_chainfix.report.display import Style, shown_path
from flask_chainfix.report.documents.details import details
from flask_chainfix.report.documents.document import Block, Chapter, Drawing, Typed, Words
from flask_chainfix.report.phrases import verdict
from flask_chainfix.report.pictures.chain_picture import Picture, pictures
from flask_chainfix.report.pictures.layout import lay_out
from flask_chainfix.report.pictures.svg import (
    OVERFLOW,
    Track,
    asset,
    description,
    fold_track,
    painted,
    tracks,
)
from flask_chainfix.report.results import Analysed, Drawn, Result, notices_of
from flask_chainfix.report.text.database_text import Table, sections

_SHOWN_FINDINGS = 1_000  # of one code, as in a terminal
_SHOWN_PLACES = 12
_SHOWN_FIRST = ("key", "text", "findings", "databases", "mine")  # by rows and filters
_WIDTH = 860  # pixels of the pictures for those who run no scripts


def to_html(result: Result, style: Style) -> str:
    """The chain before and after, searchable and clickable, in ASCII; with any analysis below."""
    chapters: tuple[Chapter, ...] = ()
    if isinstance(result, Analysed):
        from flask_chainfix.report.documents.analysis import analysis

        chapters, result = analysis(result).chapters, result.drawn
    if not isinstance(result, Drawn):
        return ""
    shown = list(_shown(result.checked.diagnosis.findings))
    states = list(pictures(result))
    data, more = _data(result, states, shown)
    css, script = asset("picture.css") + asset("page.css"), asset("page.js")
    proposal, tools = result.checked.proposal, result.tools
    table = Table(proposal.snapshot, proposal.moves, tools, None, distances=True)
    obstacle = proposal.obstacle
    page = _templates().from_string(asset("page.html"))
    text = page.render(
        css=css,
        script=script,
        data=json_in_html(data),
        more=json_in_html(more),
        policy=_policy(css, script),
        directory=shown_path(proposal.snapshot.environment.directory),
        broken=bool(errors_of(proposal.diagnosis.findings)),
        verdict=verdict(proposal.diagnosis),
        description=description(result),
        pictures=[(each.title, each.aside, *painted(each, _WIDTH)) for each in states],
        width=_WIDTH,
        findings=[_finding(each, result) for each in shown],
        left_out=len(proposal.diagnosis.findings) - len(shown),
        steps=advice.steps(result.checked),
        why=[] if proposal.planned is None else proposal.planned.plan.why,
        obstacle="" if obstacle is None else obstacle.message,
        databases=[
            re.sub(" {2,}", " · ", row.text) for section in sections(table) for row in section.rows
        ],
        notices=[*notices_of(result.checked), *result.notices],
        theirs="" if result.theirs is None else result.theirs.ref,
        masks=advice.about_masks,
        chapters=[(each.title, each.aside, list(map(_block, each.blocks))) for each in chapters],
        parts=_parts,
        newline="\n",
    )
    return text.encode("ascii", "xmlcharrefreplace").decode()


def _block(block: Block) -> tuple[str, Any]:
    """A block of an analysis, with its kind for the template; pictures are rendered."""
    if isinstance(block, Drawing):
        return "drawing", (block.picture.title, *painted(block.picture, _WIDTH))
    return type(block).__name__.lower(), block


def _parts(words: Words) -> list[tuple[bool, str]]:
    """The parts of a sentence, each with whether it is code."""
    parts = (words,) if isinstance(words, str) else words
    return [(isinstance(part, Typed), str(part)) for part in parts]


def _templates() -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: (
            printable(value) if type(value) is str else value  # what is markup has another type
        ),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(css: str, script: str) -> str:
    """The Content-Security-Policy: nothing is loaded or sent; only these two texts apply."""
    allowed = (
        f"{kind}-src '{_digest(text)}'" for kind, text in (("style", css), ("script", script))
    )
    return "; ".join(("default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'"))


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _shown(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    numbers: Counter[str] = Counter()
    for finding in findings:
        numbers[finding.code] += 1
        if numbers[finding.code] <= _SHOWN_FINDINGS:
            yield finding


def _finding(finding: Finding, result: Drawn) -> dict[str, Any]:
    places = finding.locations[:_SHOWN_PLACES]
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "breaks": result.tools.spell_out(finding.breaks),
        "revisions": finding.revisions[:_SHOWN_PLACES],
        "places": [f"{shown_path(p.path)}{'' if p.line is None else f':{p.line}'}" for p in places],
        "more": len(finding.locations) - len(places),
        "remedies": advice.remedies_as_json(finding.hint, result.tools),
    }


# --- Data for the script -------------------------------------------------------------------------


def _data(
    result: Drawn, states: list[Picture], shown: list[Finding]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of each state, paths that are alike once; and what they do not show."""
    known = details(result, states, shown)
    index = {key: number for number, key in enumerate(known)}
    texts: dict[str, int] = {}
    views = []
    for picture in states:
        layout = lay_out(picture.nodes, OVERFLOW)
        rows = []
        for row, track in zip(layout.rows, tracks(layout), strict=True):
            node = picture.nodes[row.node]
            badges = [[each.kind, printable(each.text)] for each in picture.badges[node.key]]
            rows.append([index[node.key], node.tone, badges, *_track(track, texts)])
        folds = [
            [fold.start, fold.stop, fold.words, *_track(fold_track(layout.rows[fold.start]), texts)]
            for fold in layout.folds
        ]
        views.append(
            {
                "title": picture.title,
                "aside": printable(picture.aside),
                "rows": rows,
                "folds": folds,
            }
        )
    first, more = [], []
    for told in known.values():
        first.append({name: told[name] for name in _SHOWN_FIRST if name in told})
        more.append({name: value for name, value in told.items() if name not in _SHOWN_FIRST})
    return {"views": views, "paths": list(texts), "revisions": first}, more


def _track(track: Track, texts: dict[str, int]) -> list[int]:
    lines, faint = (texts.setdefault(text, len(texts)) for text in (track.lines, track.faint))
    return [lines, faint, track.x, track.width, track.height, track.gap]
