"""The page of the command ``graph``: one self-contained file, with all about each revision."""

from __future__ import annotations

import ast
import re
import warnings
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, StrictUndefined

from flask_chainfix.chain import source
from flask_chainfix.common.quoting import json_in_html, printable
from flask_chainfix.common.wording import beginning_of, count
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Part, Plan, Reason
from flask_chainfix.report import advice, json_parts, next_steps
from flask_chainfix.report.display import Style, shown_path
from flask_chainfix.report.documents.document import Block, Chapter, Drawing, Typed, Words
from flask_chainfix.report.phrases import mended, parents_of, verdict
from flask_chainfix.report.pictures.chain_picture import Picture, pictures
from flask_chainfix.report.pictures.layout import PictureNode, lay_out
from flask_chainfix.report.pictures.svg import (
    OVERFLOW,
    Track,
    asset,
    description,
    fold_track,
    painted,
    tracks,
)
from flask_chainfix.report.results import Analysed, Drawn, notices_of
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.schema.footprint import Action, Effect, Footprint, Kind, SchemaObject, table_of

_SHOWN_FINDINGS = 1_000  # of one code, as in a terminal
_SHOWN_PLACES = 12
_SHOWN_FIRST = ("key", "text", "findings", "databases", "mine")  # by rows and filters
_MOST_LINES = 40  # of what one revision does
_LONGEST_MESSAGE, _LONGEST_DOCSTRING = 300, 4_000  # characters
_VERBS = {Action.CREATE: "creates", Action.DROP: "drops", Action.USE: "uses"}
_WIDTH = 860  # pixels of the pictures for those who run no scripts


def to_html(result: Drawn | Analysed, style: Style) -> str:
    """The chain before and after, searchable and clickable, in ASCII; with any analysis below."""
    chapters: tuple[Chapter, ...] = ()
    if isinstance(result, Analysed):
        from flask_chainfix.report.documents.analysis import analysis

        chapters, result = analysis(result).chapters, result.drawn
    shown = list(_shown(result.checked.diagnosis.findings))
    states = list(pictures(result.checked.proposal, result.theirs))
    data, more = _data(result, states, shown)
    css, script = asset("picture.css") + asset("page.css"), asset("page.js")
    proposal, obstacle = result.checked.proposal, result.checked.proposal.obstacle
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
        description=description(proposal),
        pictures=[(each.title, each.aside, *painted(each, _WIDTH)) for each in states],
        width=_WIDTH,
        findings=[_finding(each, result) for each in shown],
        left_out=len(proposal.diagnosis.findings) - len(shown),
        steps=next_steps.steps(result.checked),
        why=[] if proposal.planned is None else proposal.planned.plan.why,
        obstacle="" if obstacle is None else obstacle.message,
        databases=[
            re.sub(" {2,}", " · ", row.text)
            for section in databases.sections_of(result.checked)
            for row in section.rows
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
        "remedies": json_parts.remedies(finding.hint, result.tools),
    }


# --- Data for the script -------------------------------------------------------------------------


def _data(
    result: Drawn, states: list[Picture], shown: list[Finding]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of each state, paths that are alike once; and what they do not show."""
    known = _details(result, states, shown)
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
    for details in known.values():
        first.append({name: details[name] for name in _SHOWN_FIRST if name in details})
        more.append({name: value for name, value in details.items() if name not in _SHOWN_FIRST})
    return {"views": views, "paths": list(texts), "revisions": first}, more


def _track(track: Track, texts: dict[str, int]) -> list[int]:
    lines, faint = (texts.setdefault(text, len(texts)) for text in (track.lines, track.faint))
    return [lines, faint, track.x, track.width, track.height, track.gap]


# --- All that is known about each revision, shown when it is clicked ------------------------------


def _details(
    result: Drawn, pictures: Iterable[Picture], shown: Iterable[Finding]
) -> dict[str, dict[str, Any]]:
    """The details of each node of the pictures, by its key; empty values are left out.

    Args:
        result: the result to show.
        pictures: the states of the chain.
        shown: the findings that the page shows, in its order.
    """
    known: dict[str, dict[str, Any]] = {}
    for picture in pictures:
        for node in picture.nodes:
            _add_badges(known.setdefault(node.key, {"key": printable(node.key)}), picture, node)
    snapshot, planned = result.snapshot, result.checked.proposal.planned
    shown_folder = cache(shown_path)  # slow to compute for each file
    for revision, files in snapshot.files_by_revision.items():
        place = PurePath(shown_folder(files[0].directory), files[0].name).as_posix()
        known[revision].update(_of_file(result, revision, place, files))
    for file, problem in snapshot.unreadable:
        known[file.name]["unreadable"] = printable(problem.reason)
    for file in (*(each for each, _ in snapshot.unreadable), *snapshot.anonymous):
        known[file.name]["file"] = printable(shown_path(file.path))
    if planned is not None:
        after = planned.after.graph
        for revision in set(after).difference(snapshot.graph).intersection(known):
            known[revision]["parents"] = [printable(each) for each in after.parents[revision]]
    numbered = ((each, number) for number, one in enumerate(shown) for each in one.revisions)
    _append(known, "findings", numbered)
    _append(known, "changes", () if planned is None else _changes(planned.plan))
    return {key: {name: v for name, v in details.items() if v} for key, details in known.items()}


def _add_badges(details: dict[str, Any], picture: Picture, node: PictureNode) -> None:
    """Add the badges of a node from a picture, unless another picture has added them."""
    details.setdefault(
        "text", printable(beginning_of(" ".join(node.text.split()), _LONGEST_MESSAGE))
    )
    for name, kind in (("databases", "database"), ("labels", "label"), ("mine", "mine")):
        of_kind = (badge for badge in picture.badges[node.key] if badge.kind == kind)
        shown = (printable(badge.text) for badge in of_kind)
        details[name] = [*dict.fromkeys((*details.get(name, ()), *shown))]


def _append(known: dict[str, dict[str, Any]], name: str, found: Iterable[tuple[str, Any]]) -> None:
    for revision, value in found:
        if revision in known:
            known[revision].setdefault(name, []).append(value)


def _of_file(
    result: Drawn, revision: str, place: str, files: tuple[MigrationFile, ...]
) -> dict[str, Any]:
    file = files[0]
    snapshot = result.snapshot
    graph, landed = snapshot.graph, snapshot.git_history.landing(file.path)
    reading = file.reading
    span = reading.spans.get("revision") if isinstance(reading, Header) else None
    line = "" if span is None else f":{source.line_of(file.data, span.start)}"
    details: dict[str, Any] = {
        "file": printable(f"{place}{line}"),
        "copies": len(files) if len(files) > 1 else 0,
        "doc": [printable(line.rstrip()) for line in _docstring(file.data).splitlines()],
        "parents": [printable(each) for each in graph.named_parents[revision]],
        "needs": [printable(each) for each in graph.dependencies.get(revision, ())],
    }
    if landed:
        details["landed"] = f"{landed.date:%Y-%m-%d} in {landed.commit}"
        details["author"] = printable(landed.author)
    if result.in_detail and not file.is_compiled:
        footprint = snapshot.footprint(file)
        details["does"] = list(_does(footprint))
        details["tables"] = _tables(footprint)
    return details


def _docstring(data: bytes) -> str:
    """The whole docstring; only the beginning of the file is parsed, as that is quick."""
    text = data.decode("utf-8", "replace")
    quote = next((each for each in ('"""', "'''") if each in text), "")
    end = text.find(quote, text.find(quote) + 3) if quote else -1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text[: end + 3] if end > 0 else text)
        return beginning_of(ast.get_docstring(tree) or "", _LONGEST_DOCSTRING)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


# --- What a revision does to the schema ----------------------------------------------------------


def _does(footprint: Footprint) -> Iterator[list[Any]]:
    """Lines of the file, and what happens there; parts of tables that it creates are counted."""
    made = {
        effect.object
        for effect in footprint.effects
        if effect.object.kind is Kind.TABLE and effect.action is Action.CREATE
    }
    columns = Counter(
        table_of(effect.object)
        for effect in footprint.effects
        if effect.object.kind is Kind.COLUMN and effect.action is Action.CREATE
    )
    lines: dict[str, int] = {}
    for effect in footprint.effects:
        if _is_shown(effect, made):
            lines.setdefault(_sentence(effect, columns), effect.line)
    for opaque in footprint.opaque:
        lines.setdefault(f"not known: {opaque.detail}", opaque.line)
    for text, line in list(lines.items())[:_MOST_LINES]:
        yield [line, printable(text)]
    if len(lines) > _MOST_LINES:
        yield [0, f"and {len(lines) - _MOST_LINES:,} more"]


def _is_shown(effect: Effect, made: set[SchemaObject]) -> bool:
    if effect.object.kind is Kind.TABLE:
        return effect.action is not Action.USE or effect.object not in made
    is_part_of_new = effect.object.table != "" and table_of(effect.object) in made
    return effect.action is not Action.USE and not is_part_of_new


def _sentence(effect: Effect, columns: Counter[SchemaObject]) -> str:
    what = f"{effect.object.kind.value} {effect.object.spelled}"
    condition = "" if effect.certain else ", under a condition"
    if effect.renamed is not None and effect.action is Action.CREATE:
        return f"renames {effect.object.kind.value} {effect.renamed.spelled} to {what}{condition}"
    if effect.renamed is not None:
        return f"gives up the name {effect.object.spelled}{condition}"
    is_new = effect.object.kind is Kind.TABLE and effect.action is Action.CREATE
    number = columns[effect.object] if is_new else 0
    size = f" ({count(number, 'column')})" if number else ""
    return f"{_VERBS[effect.action]} {what}{size}{condition}"


def _tables(footprint: Footprint) -> list[str]:
    """The tables that it involves, for the search."""
    tables = (table_of(effect.object).spelled for effect in footprint.effects)
    return [printable(name) for name in dict.fromkeys(tables) if name]


# --- Why a revision moves ------------------------------------------------------------------------


def _changes(plan: Plan) -> Iterator[tuple[str, list[Any]]]:
    """The change that a plan makes to each revision, and its reasons."""
    for mend in plan.mends:
        change = [mended(mend), _reasons(mend.why)]
        yield mend.revision, change
        if mend.part is Part.ID:
            yield from ((revision, change) for revision in mend.after)
    for relink in plan.relinks:
        parents = f"{parents_of(relink.before)} → {parents_of(relink.after)}"
        yield relink.revision, [f"down_revision: {parents}", _reasons(relink.why)]
    for new in plan.new_revisions:
        on = parents_of(new.down_revision)
        yield new.revision, [f"a new migration on {on}", _reasons(new.why)]


def _reasons(why: Iterable[Reason]) -> list[list[str]]:
    return [[each.kind, printable(each.detail)] for each in why if each.kind != "choice"]
