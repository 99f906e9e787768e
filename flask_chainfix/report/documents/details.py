"""Everything known about each revision, which the page shows when it is clicked."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import PurePath
from typing import Any

from flask_chainfix import source
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import beginning_of, count
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Part, Plan, Reason
from flask_chainfix.report.display import shown_path
from flask_chainfix.report.phrases import mended, parents_of
from flask_chainfix.report.pictures.chain_picture import Picture
from flask_chainfix.report.pictures.layout import PictureNode
from flask_chainfix.report.results import Drawn
from flask_chainfix.schema.footprint import Action, Effect, Footprint, Kind, SchemaObject, table_of

_MOST_LINES = 40  # of what one revision does
_LONGEST_MESSAGE, _LONGEST_DOCSTRING = 300, 4_000  # characters
_VERBS = {Action.CREATE: "creates", Action.DROP: "drops", Action.USE: "uses"}


def details(
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
    return {key: {name: v for name, v in told.items() if v} for key, told in known.items()}


def _add_badges(told: dict[str, Any], picture: Picture, node: PictureNode) -> None:
    """Add the badges of a node from a picture, unless another picture has added them."""
    told.setdefault("text", printable(beginning_of(" ".join(node.text.split()), _LONGEST_MESSAGE)))
    for name, kind in (("databases", "database"), ("labels", "label"), ("mine", "mine")):
        of_kind = (badge for badge in picture.badges[node.key] if badge.kind == kind)
        shown = (printable(badge.text) for badge in of_kind)
        told[name] = [*dict.fromkeys((*told.get(name, ()), *shown))]


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
    told: dict[str, Any] = {
        "file": printable(f"{place}{line}"),
        "copies": len(files) if len(files) > 1 else 0,
        "doc": [printable(line.rstrip()) for line in _docstring(file.data).splitlines()],
        "parents": [printable(each) for each in graph.named_parents[revision]],
        "needs": [printable(each) for each in graph.dependencies.get(revision, ())],
    }
    if landed:
        told["landed"] = f"{landed.date:%Y-%m-%d} in {landed.commit}"
        told["author"] = printable(landed.author)
    if result.in_detail and not file.is_compiled:
        footprint = snapshot.footprint(file)
        told["does"] = list(_does(footprint))
        told["tables"] = _tables(footprint)
    return told


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


# --- What it does to the schema ------------------------------------------------------------------


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
        if _is_told(effect, made):
            lines.setdefault(_sentence(effect, columns), effect.line)
    for opaque in footprint.opaque:
        lines.setdefault(f"not known: {opaque.detail}", opaque.line)
    for text, line in list(lines.items())[:_MOST_LINES]:
        yield [line, printable(text)]
    if len(lines) > _MOST_LINES:
        yield [0, f"and {len(lines) - _MOST_LINES:,} more"]


def _is_told(effect: Effect, made: set[SchemaObject]) -> bool:
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


# --- Why it moves --------------------------------------------------------------------------------


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
