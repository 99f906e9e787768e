"""How tables, stamps and ids of a database contradict each other, and how to fix that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import git_words, option, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import in_rows, listing
from flask_chainfix.databases.applied.contents import (
    Fit,
    Found,
    absent,
    contradicts,
    early,
    fit,
    never_ran,
    proven_top,
    traced,
)
from flask_chainfix.databases.applied.differences import can_be_added
from flask_chainfix.databases.applied.has_run import Applied, claims, possibilities
from flask_chainfix.databases.applied.rows import (
    catching_up,
    counting_as,
    gaps,
    overlaps,
    since,
    stamp_commands,
    stood_for,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.schema.footprint import Action

_SCHEMA = ", schema "  # after a name: no option names a single schema


def left_out(snapshot: Facts, names: Collection[str], command: str = "repair") -> str:
    """A command that leaves databases out; ``""`` if no option can do that.

    Args:
        snapshot: with all databases.
        names: the databases to leave out; one of the app's takes the app's others with it.
        command: the command that runs without them.
    """
    out = [each for each in snapshot.databases.statuses if each.name in names]
    others, named = [each.name for each in out if not each.own], "{named}"
    if others or not {*snapshot.databases.twice.values()}.isdisjoint(each.identity for each in out):
        left = (each for each in snapshot.databases.statuses if not each.own and each not in out)
        kept = naming(each.name for each in left)
        if kept is None or naming(others) is None:
            return ""
        named = kept
    own = "{own}" if len(others) == len(out) else " --no-database"
    return f"{{fixchain}} {command}{own}{named}" if out else ""


def naming(names: Iterable[str]) -> str | None:
    """The options that name databases; the app's own need none.

    Returns:
        Each with a leading space; ``None`` if one is a schema, which no option names alone.
    """
    options = ""
    for name in names:
        if _SCHEMA in name:
            return None
        if name.startswith("--stamp "):
            options += f" {option('--stamp', name.removeprefix('--stamp '))}"
        elif "://" in name:
            options += f" --database {word(name)}"
    return options


def only(snapshot: Facts, status: DatabaseStatus) -> str:
    """The options that name one database alone, or all of them if no option can do that.

    One of the app's takes the app's others with it.
    """
    if len(snapshot.databases.statuses) == 1:
        return "{databases}"
    if status.own:
        return "{own}"
    alone = "" if "***" in status.name else naming([status.name])
    without = " --no-database" if any(each.own for each in snapshot.databases.statuses) else ""
    return f"{without}{alone}" if alone else "{databases}"


def leaving_out(
    snapshot: Facts, names: Collection[str], command: str = "repair", text: str = ""
) -> Remedy:
    """How to leave databases out; empty if no option can do that.

    Arguments are those of ``left_out``; ``text`` says what that means for them.
    """
    without = left_out(snapshot, names, command)
    them = "that database" if len(names) == 1 else "those databases"
    return way(text or f"leave {them} out", without) if without else Remedy()


def saying_where(snapshot: Facts, status: DatabaseStatus, command: str = "repair") -> Remedy:
    """How to give the stamp of an unreachable database, with a head as the example."""
    without, heads = left_out(snapshot, [status.name], command), snapshot.graph.heads
    if not (without and heads):
        return Remedy()
    text = f"if it stands at {heads[0]}, say so; use another id if it stands elsewhere"
    return way(text, f"{without} {option('--stamp', heads[0])}")


# --- Databases whose tables contradict their stamps, and Alembic's commands to fix them -----------
_NAMED = 5


@dataclass(frozen=True)
class Mismatch:
    """What contradicts the stamp of a database.

    Attributes:
        claim: the revisions that are applied according to the rows.
        absent: the tables that must exist and do not, by the revision that creates them.
        early: the tables that exist before the revision that creates them, by that revision.
    """

    claim: Applied
    absent: Mapping[str, tuple[str, ...]]
    early: Mapping[str, tuple[str, ...]]

    @property
    def status(self) -> DatabaseStatus:
        """The database."""
        return self.claim.status

    @property
    def stamped(self) -> str:
        """The stamp of the database, in words."""
        rows = in_rows(self.status.rows)
        return f"{self.status.name} is {f'stamped with {rows}' if rows else 'not stamped'}"


def mismatch(snapshot: Facts, status: DatabaseStatus) -> Mismatch | None:
    """How the tables of a database contradict its rows, whichever chain wrote them."""
    said = possibilities(snapshot, status) or claims(snapshot, status)
    if any(claim.unknown for claim in said):
        return None
    found = [
        Mismatch(
            claim,
            by_revision(absent(snapshot, status, claim.revisions)),
            by_revision(early(snapshot, status, claim.revisions)),
        )
        for claim in said
    ]
    best = min(found, key=lambda each: len(each.absent) + len(each.early), default=None)
    return best if best is not None and (best.absent or best.early) else None


def contradiction(found: Mismatch) -> str:
    """The contradiction in words."""
    said = [f"not there: {in_words(found.absent)}"] if found.absent else []
    said += [f"there already: {in_words(found.early)}"] if found.early else []
    return f"its tables contradict its stamp ({'; '.join(said)})"


def by_revision(found: Iterable[Found]) -> Mapping[str, tuple[str, ...]]:
    """The names of tables and columns by the revision that creates them."""
    tables: dict[str, tuple[str, ...]] = {}
    for revision, name, _ in found:
        tables[revision] = (*tables.get(revision, ()), name)
    return tables


def in_words(tables: Mapping[str, Sequence[str]]) -> str:
    """Tables with the revisions that create them, in words; a long list is truncated."""
    names = [f"{table} ({revision})" for revision, each in tables.items() for table in each]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def ways_out(snapshot: Facts, found: Mismatch) -> Remedy:
    """How to fix such a database; no way drops anything."""
    graph = snapshot.graph
    lost = [row for row in found.status.rows if row not in graph]
    if lost:
        return _counting(found.status, lost, proven_top(snapshot, found.status))
    if is_broken(graph):
        if not contradicts(snapshot, found.status, found.claim.revisions):
            return way("repair the files first", REPAIR)  # the tables do not stop it
        return _files_first(snapshot, found.status)
    fitting = fit(snapshot, found.status)
    if snapshot.evidence.has_binds:
        return _of_one_bind(snapshot, found, fitting)
    if fitting is not None:
        return _to_the_fit(snapshot, found, fitting)
    by_hand = way(
        "its tables match no revision: make those that are missing by hand, then stamp the revision"
        " that it has come to; this prints the SQL of the chain",
        f"{{alembic}} upgrade {_all(snapshot)} --sql",
    )
    if found.absent and not found.early:
        run = found.claim.revisions
        ran = run.intersection(graph) - never_ran(snapshot, found.status, run)
        if ran and gaps(graph, ran):
            return running_skipped(snapshot, found.status, ran)
        names = [name for each in found.absent.values() for name in each]
        by_hand = making_missing(snapshot, found.status, names) | by_hand
    if snapshot.old:
        return by_hand
    by_origin = by_its_origin(snapshot, found.status)
    known = snapshot.databases.origins.get(found.status.identity)
    return by_origin | by_hand if known else by_hand | by_origin


def _of_one_bind(snapshot: Facts, found: Mismatch, fitting: Fit | None) -> Remedy:
    """How to fix one of several binds; Alembic's commands run on all of them."""
    rows = found.status.rows
    if fitting is not None and fitting.rows and rows:
        text = f"its schema matches {', '.join(fitting.rows)}: move its stamp there, and no other"
        return way(text, "{fixchain} restamp --from-schema{databases}")
    names = () if found.early else [name for each in found.absent.values() for name in each]
    see = way("see what each bind has run", "{fixchain} trace{databases}")
    return (making_missing(snapshot, found.status, names) if names else Remedy()) | see


def running_skipped(snapshot: Facts, status: DatabaseStatus, run: Collection[str]) -> Remedy:
    """How to run skipped revisions, or what they create, in all databases that show the gap.

    Args:
        snapshot: the chain with the migrations' sources.
        status: the database.
        run: the revisions that have run there.
    """
    graph = snapshot.graph
    gone = absent(snapshot, status, stood_for(graph, status.rows))
    missing = [each.name for each in gone]
    if snapshot.evidence.has_binds:
        return making_missing(snapshot, status, missing)
    by_alembic = catching_up(graph, run, status.rows)
    if not {each.revision for each in gone}.issubset(gaps(graph, run)):
        return making_missing(snapshot, status, missing) or by_alembic
    others = "if other databases may lack it too, "
    return by_alembic | (making_missing(snapshot, status, missing, others) if gone else Remedy())


def making_missing(
    snapshot: Facts, status: DatabaseStatus, missing: Collection[str], condition: str = ""
) -> Remedy:
    """How an upgrade makes what a database lacks; empty with several heads, or where it stops."""
    if overlaps(snapshot.graph, status.rows):
        return Remedy()
    run = stood_for(snapshot.graph, status.rows)
    later = {
        effect.object.spelled: revision
        for revision in snapshot.graph
        if revision not in run
        for effect in snapshot.footprint(snapshot.file(revision)).effects
        if effect.action is Action.CREATE
    }
    makers = {later.get(name) for name in missing}
    if None not in makers and makers:  # as a migration of catch-up does
        verb = "makes" if len(makers) == 1 else "make"
        what = f"upgrade it, as {listing(sorted(filter(None, makers)))} {verb} what is missing"
        return way(what, f"{{alembic}} upgrade {_all(snapshot)}")
    made = way(
        f"{condition}write a migration that makes what is missing where it is missing",
        f"{{fixchain}} catch-up --server{only(snapshot, status)}",
    )
    return made if missing and len(snapshot.graph.heads) == 1 else Remedy()


def _counting(status: DatabaseStatus, lost: Sequence[str], top: str | None) -> Remedy:
    """What to do about rows that no file has."""
    if top is None or status.rows != (*lost,):
        return way("look where they went", "{fixchain} check{asked}")
    return way(f"its tables match {top}: treat them as that", counting_as(top, *lost))


def _to_the_fit(snapshot: Facts, found: Mismatch, fitting: Fit) -> Remedy:
    graph, rows = snapshot.graph, found.status.rows
    if not fitting.rows:
        return way(
            "none of the chain's tables exist: remove the stamp, and have Alembic create them",
            "{alembic} stamp base",
            f"{{alembic}} upgrade {_all(snapshot)}",
        )
    names, to_proven = ", ".join(fitting.rows), stamp_commands(graph, rows, fitting.rows)
    if fitting.highest == fitting.rows:
        return _with_what_is_missing(snapshot, found, fitting, to_proven)
    silent = ", ".join(fitting.silent)
    then, upgrade = _running_what_it_lacks(snapshot, found, fitting.highest)
    highest = way(
        f"its tables match {', '.join(fitting.highest)}: stamp it there if it has what {silent}"
        f" {'changes' if len(fitting.silent) == 1 else 'change'}, which its schema does not show"
        f"{then}",
        *stamp_commands(graph, rows, fitting.highest),
        *upgrade,
    )
    then, upgrade = _running_what_it_lacks(snapshot, found, fitting.rows)
    return highest | way(f"stamp {names} if it has not{then}", *to_proven, *upgrade)


def _running_what_it_lacks(
    snapshot: Facts, found: Mismatch, rows: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """How Alembic runs what a database lacks, once it is stamped lower: words, and the command."""
    left = found.claim.revisions - snapshot.graph.required(rows)
    lacks = [each for each in snapshot.graph.order if each in left]
    if not lacks:
        return "", ()
    return f", and have Alembic run {listing(lacks, 3)}", (f"{{alembic}} upgrade {_all(snapshot)}",)


def _with_what_is_missing(
    snapshot: Facts, found: Mismatch, fitting: Fit, stamping: Sequence[str]
) -> Remedy:
    """How to stamp a database, and to make what it lacks although its tables are there."""
    trace, names = traced(snapshot, found.status), ", ".join(fitting.rows)
    differing = () if trace is None else trace.differences
    missing = [each.object.spelled for each in differing if each.kind == "missing"]
    if not missing:
        then, upgrade = _running_what_it_lacks(snapshot, found, fitting.rows)
        return way(f"its tables match {names}: stamp it there{then}", *stamping, *upgrade)
    lacks = f"its tables match {names}, except that it lacks {listing(missing, 4)}: stamp it there"
    adding = [each.object.spelled for each in differing if can_be_added(snapshot, each)]
    made = making_missing(snapshot, replace(found.status, rows=fitting.rows), adding).ways
    then = "".join(f", then {each.text}" for each in made)
    return way(f"{lacks}{then}", *stamping, *(each for way in made for each in way.commands))


def by_its_origin(snapshot: Facts, status: DatabaseStatus) -> Remedy:
    """How to move a stamp with the chain that wrote it, or by what its schema shows."""
    origin = snapshot.databases.origins.get(status.identity)
    if origin:
        return way(
            f"if the chain of commit {origin} wrote its rows, move its stamp from there",
            f"{{fixchain}} restamp --old {origin}{only(snapshot, status)}",
        )
    remedy = _by_its_schema(snapshot, status)
    if origin is None:
        return remedy | "look for a clone whose Git has the chain that wrote its rows"
    places = git_words(snapshot.environment.version_locations)
    return remedy | way(
        "replace COMMIT by the commit whose chain wrote its rows; the first command lists"
        " the commits that changed migrations",
        f"git log --oneline --all -- {places}",
        f"{{fixchain}} restamp --old COMMIT{only(snapshot, status)}",
    )


def _by_its_schema(snapshot: Facts, status: DatabaseStatus) -> Remedy:
    """How to move a stamp to what the schema shows; empty if it is known to show nothing."""
    shown = fit(snapshot, status)
    rows = shown.rows if shown is not None else ()
    if status.by_user or (traced(snapshot, status) is not None and not rows):
        return Remedy()
    to = f"{listing(rows)}, which its schema matches" if rows else "what its schema shows"
    command = f"{{fixchain}} restamp --from-schema{only(snapshot, status)}"
    return way(f"move the stamp to {to}", command)


def is_broken(graph: Graph) -> bool:
    """Whether Alembic cannot load the chain, or reads one of two files with the same id."""
    return bool(graph.missing or graph.cycles or graph.duplicates)


def _files_first(snapshot: Facts, status: DatabaseStatus) -> Remedy:
    text = "repair the files first, without that database"
    return leaving_out(snapshot, [status.name], text=text)


def completing(snapshot: Facts, status: DatabaseStatus, revision: str) -> Remedy:
    """How to finish or undo a revision that stopped half-way in a database."""
    if is_broken(snapshot.graph):
        return _files_first(snapshot, status)
    return finishing(revision) | by_hand(snapshot, revision)


def finishing(revision: str) -> Remedy:
    """How to run the rest of a revision that stopped half-way."""
    return way(
        "run what is left of it; catch-up shows that first, and asks",
        f"{{fixchain}} catch-up {option('--finish', revision)} --server{{databases}}",
    )


def by_hand(snapshot: Facts, revision: str) -> Remedy:
    """How to finish the revision by hand, or to undo it."""
    each = way(
        "run by hand those of its statements whose objects are missing, which this prints, and"
        " check again: that names the stamp",
        f"{{alembic}} upgrade --sql {since(snapshot.graph, revision)}",
    )
    return each | "drop what it has made, if nothing is in it yet, and upgrade again"


def _all(snapshot: Facts) -> str:
    return "head" if len(snapshot.graph.heads) == 1 else "heads"
