"""What a database's schema shows about its stamp, in words, and the rows that it proves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.quoting import option, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import not_as_made
from flask_chainfix.databases.applied.contradictions import (
    completing,
    is_broken,
    making_missing,
    only,
)
from flask_chainfix.databases.applied.differences import Difference, can_be_added
from flask_chainfix.databases.applied.lost import is_noop
from flask_chainfix.databases.applied.rows import refused, since, stamp_commands, stood_for, tops
from flask_chainfix.databases.applied.verdicts import Trace, Verdict, trace
from flask_chainfix.databases.facts import Facts, Uncompared
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.databases import DatabaseStatus, Move, MoveResult, MoveState
from flask_chainfix.model.files import Header
from flask_chainfix.schema.footprint import PROPERTIES, Kind, SchemaObject, key_of
from flask_chainfix.schema.live import Sign, deciding
from flask_chainfix.schema.object_history import State

_WHERE_IT_WENT = way("see where it went", "{fixchain} check{asked}")
_NAMED = 3
_OUT_OF_REACH = Uncompared("it cannot be reached from here", "")


class TracedDatabase(NamedTuple):
    """What the schema of one database shows.

    Attributes:
        status: the database, with its stamp.
        claimed: the revisions that are applied according to the stamp.
        trace: what its schema shows; ``None`` if it could not be read.
        problem: why not.
        remedy: what to do about that.
    """

    status: DatabaseStatus
    claimed: frozenset[str]
    trace: Trace | None
    problem: str = ""
    remedy: str | Remedy = ""

    @property
    def behind(self) -> tuple[str, ...]:
        """The revisions that the stamp stands for and that have not run."""
        return tuple(name for name in self._having(Verdict.NOT_RUN) if name in self.claimed)

    @property
    def ahead(self) -> tuple[str, ...]:
        """The revisions that have run although the stamp does not stand for them."""
        return tuple(name for name in self._having(Verdict.RUN) if name not in self.claimed)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The revisions about which the schema shows nothing."""
        return self._having(Verdict.UNKNOWN)

    @property
    def half(self) -> tuple[str, ...]:
        """The revisions that stopped half-way."""
        return self._having(Verdict.HALF_RUN)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """The revisions with a sign against the stamp that does not decide."""
        revisions = {} if self.trace is None else self.trace.revisions
        return tuple(
            name
            for name in self.unknown
            if any(
                sign.made is (name not in self.claimed) for sign in deciding(revisions[name].signs)
            )
        )

    @property
    def mismatched(self) -> frozenset[str]:
        """The revisions whose verdicts do not match the stamp."""
        return frozenset((*self.behind, *self.ahead, *self.half, *self.contradicted))

    @property
    def differs(self) -> bool:
        """Whether the schema does not match the stamp."""
        return bool(self.mismatched)

    def _having(self, verdict: Verdict) -> tuple[str, ...]:
        return () if self.trace is None else self.trace.having(verdict)


def trace_databases(now: Facts) -> tuple[tuple[TracedDatabase, ...], tuple[str, ...]]:
    """Compare what databases hold with what the migrations create.

    Args:
        now: the chain, with the schemas of its databases.

    Returns:
        The trace of each database, and notices.
    """
    published, notices = read_published(now) if now.environment.asks_git else ((), ())
    # A published chain with other revisions below may have built them.
    headers = (
        [file.reading for file in chain.files if isinstance(file.reading, Header)]
        for chain in published
    )
    chains = [*now.old, *map(Graph, headers)]
    traces: dict[object, Trace] = {}
    found = []
    for status in now.databases.statuses:
        claimed = stood_for(now.graph, status.rows)
        live = now.schemas.get(status.seen, _OUT_OF_REACH)
        if isinstance(live, Uncompared):
            found.append(TracedDatabase(status, claimed, None, *live))
            continue
        if (live, claimed) not in traces:
            traces[live, claimed] = trace(now.running_on(live.dialect), live, claimed, chains)
        found.append(TracedDatabase(status, claimed, traces[live, claimed]))
    return tuple(found), notices


def against(found: TracedDatabase, revisions: Sequence[str]) -> list[str]:
    """The signs of revisions against a database's stamp, in words."""
    lacking = [name for name in revisions if name in found.claimed]
    early = [name for name in revisions if name not in found.claimed]
    leave_it = [f"leave{'s' if len(names) == 1 else ''} it" for names in (lacking, early)]
    said = [f"something is not as {listing(lacking, _NAMED)} {leave_it[0]}"] if lacking else []
    if early:
        said.append(f"something is as {listing(early, _NAMED)} {leave_it[1]} already")
    return said


def difference_in_words(found: Difference, snapshot: Facts) -> str:
    """One difference in words."""
    if found.kind == "extra":
        return f"{named(found.object, found.is_view)} is there, and no migration makes it"
    place = f"{found.revision} ({snapshot.file(found.revision).name}:{found.line})"
    if found.kind == "left":
        return f"{named(found.object, found.is_view)} is still there, though {place} drops it"
    made = changing(found.object, found.expected)
    return f"{in_state(found.object, found.state, found.is_view)}, though {place} {made}"


def sign_in_words(sign: Sign, snapshot: Facts) -> str:
    """A sign in words: the state of an object, and the operation that leads there."""
    step = sign.step
    place = f"{snapshot.file(step.revision).name}:{step.line}"
    there = in_state(step.object, sign.state, key_of(step.object) in snapshot.evidence.views)
    return f"{there}: {place} {changing(step.object, step.state)}"


def named(thing: SchemaObject, is_view: bool) -> str:
    """An object with its kind; for a property, the column."""
    kind = Kind.COLUMN if thing.kind in PROPERTIES else thing.kind
    return f"{'view' if is_view else kind.value} {thing.spelled}"


def in_state(thing: SchemaObject, state: State, is_view: bool) -> str:
    """The state of an object, in words: whether it exists, or its value."""
    if thing.kind in PROPERTIES:
        return f"{named(thing, is_view)} {'has' if thing.kind is Kind.DEFAULT else 'is'} {state}"
    return f"{named(thing, is_view)} {'is there' if state else 'is not there'}"


def changing(thing: SchemaObject, state: State) -> str:
    """The operation that leaves an object in a state, in words."""
    if not isinstance(state, str):
        return "makes it" if state else "drops it"
    return f"{'gives it' if thing.kind is Kind.DEFAULT else 'makes it'} {state}"


def remedy_of(now: Facts, found: TracedDatabase) -> Remedy:
    """What makes a database and its stamp match; empty if they do, or if that is not known."""
    shown = found.trace
    if shown is None:
        return Remedy.of(found.remedy)
    if not found.differs:
        return Remedy()
    if any(row not in now.graph for row in found.status.rows):
        return _WHERE_IT_WENT
    if found.half:
        return completing(now, found.status, found.half[0])
    fits_nowhere = shown.fits is None and found.behind and not found.ahead
    if fits_nowhere or found.claimed.intersection(found.contradicted):
        return _making_it(now, found, shown, "see the migration that makes what is missing")
    for name in found.contradicted:
        if {True, False} <= {sign.made for sign in deciding(shown.revisions[name].signs)}:
            return completing(now, found.status, name)  # not in the order of its operations
    if shown.fits is None or shown.silent or found.contradicted:
        return Remedy()
    return _moving(now, found, shown, shown.fits)


def _moving(now: Facts, found: TracedDatabase, shown: Trace, fits: Sequence[str]) -> Remedy:
    """How to move a stamp to what the schema shows, or to make what is missing."""
    if not found.status.rows:
        return way("stamp it", *stamp_commands(now.graph, (), fits))
    move = f"{{fixchain}} restamp --from-schema{only(now, found.status)}"
    if found.ahead:
        return way("move its stamp", move)
    names, it = listing(found.behind, _NAMED), "it" if len(found.behind) == 1 else "them"
    never = way(
        f"move its stamp, if {names} never ran there: the next upgrade then runs {it}", move
    )
    text = f"if {names} did run, see the migration that makes what is missing"
    making = _making_it(now, found, shown, text)
    # What leaves no sign would run again.
    doubtful = any(shown.revisions[name].because for name in found.behind)
    return making | never if doubtful else never | making


def _making_it(now: Facts, found: TracedDatabase, shown: Trace, text: str) -> Remedy:
    """The command that shows the migration of catch-up, and how to make what that leaves."""
    differing = list(not_as_made(shown, found.claimed))
    made = Remedy()
    if len(now.graph.heads) == 1 and any(can_be_added(now, each) for each in differing):
        server = "" if now.environment.dialect == "sqlite" else " --server"
        made = way(text, f"{{fixchain}} catch-up{server} --dry-run{{databases}}")
    return _with_the_rest(now, found.status, differing, made)


def making_alike(now: Facts, status: DatabaseStatus, differing: Sequence[Difference]) -> Remedy:
    """How to make what a database has otherwise as its revisions leave it."""
    lacks = [each.object.spelled for each in differing if can_be_added(now, each)]
    return _with_the_rest(now, status, differing, making_missing(now, status, lacks))


def _with_the_rest(
    now: Facts, status: DatabaseStatus, differing: Sequence[Difference], made: Remedy
) -> Remedy:
    """A way to add what is missing, and the way to make by hand what it leaves."""
    rest = [each for each in differing if each.revision and not (made and can_be_added(now, each))]
    if not rest:
        return made
    if is_broken(now.graph):
        return way("repair the files first", REPAIR)
    revisions = [each for each in now.graph.order if any(each == one.revision for one in rest)]
    left = "for the rest, " if made else ""
    said = listing([each.object.spelled for each in rest], 3)
    live = now.schemas.get(status.seen)
    dialect = "" if live is None or isinstance(live, Uncompared) else live.dialect
    of_env = (now.environment.dialect or dialect).replace("mariadb", "mysql")
    if (dialect or of_env) == "sqlite":  # Alembic has no SQL for its batches
        do = "does" if len(revisions) == 1 else "do"
        what = f"again what {listing(revisions, 3)} {do}"
        ran = {revisions[-1], *status.rows}
        head = max(now.graph.heads, key=lambda each: len(ran & set(now.graph.required([each]))))
        on = f" {option('--head', head)}" if len(now.graph.heads) > 1 else ""
        again = f"{{alembic}} revision{on} -m {word(f'do {what}')}"
        return made | way(f"{left}make a migration that does {what} to {said}", again)
    other = "" if status.own or of_env == dialect else ", once env.py uses that --database"
    return made | way(
        f"{left}run by hand the statements about {said}, which this prints{other}",
        *(f"{{alembic}} upgrade --sql {since(now.graph, each)}" for each in revisions),
    )


def move_by_schema(now: Facts, found: TracedDatabase) -> MoveResult:
    """The rows that the schema of a database proves.

    The move is refused if the schema proves none: a revision has half run, its signs contradict
    each other, or they do not show whether it has run.
    """
    status, shown, graph = found.status, found.trace, now.graph
    if shown is None:
        return refused(status, f"its schema was not read: {found.problem}", found.remedy)
    if found.half:
        half = found.half[0]
        return refused(status, f"half of {half} has run", completing(now, status, half))
    look = way("see the evidence", "{fixchain} trace{databases}")
    gone = [row for row in status.rows if row not in graph]
    if gone:
        detail = f"it is stamped with {listing(gone)}, which no file has"
        return refused(status, detail, _WHERE_IT_WENT)
    if shown.fits is None:
        detail = "something has run there without what it requires: no stamp stands for that"
        return refused(status, detail, look)
    if found.contradicted:
        detail = f"{against(found, found.contradicted[:1])[0]}, and that does not decide"
        return refused(status, detail, look)
    run = stood_for(graph, shown.fits)
    reachable = run.union(shown.silent)
    stays = status.rows == tops(graph, found.claimed) and run <= found.claimed <= reachable
    if stays:
        move = Move(status.name, status.identity, status.rows, status.rows)
        return MoveResult(move, MoveState.UNCHANGED)
    if not reachable.issuperset(found.unknown):
        unclear = listing([name for name in found.unknown if name not in reachable])
        return refused(status, f"its schema does not show whether {unclear} has run", look)
    silent = [revision for revision in shown.silent if not is_noop(now, revision)]
    to_the_fit = stamp_commands(graph, status.rows, shown.fits)
    if silent:
        highest = stamp_commands(graph, status.rows, tops(graph, reachable))
        return refused(
            status,
            f"its schema does not show whether {listing(silent)} has run",
            way("stamp it there, if so", *highest) | way("stamp it below, if not", *to_the_fit),
        )
    if not status.rows:  # perhaps without a version table, which Alembic creates
        detail = f"it is not stamped, and its schema matches {listing(shown.fits) or 'no revision'}"
        return refused(status, detail, way("stamp it", *to_the_fit))
    move = Move(status.name, status.identity, status.rows, shown.fits)
    return MoveResult(move, MoveState.PLANNED, _why(found))


def _why(found: TracedDatabase) -> str:
    """What proves that a stamp is wrong, in words."""
    said = [
        f"{listing(names, 3)} {verb if len(names) == 1 else verb.replace('has', 'have')} run"
        for names, verb in ((found.ahead, "has"), (found.behind, "has not"))
        if names
    ]
    fits = found.trace.fits if found.trace is not None else None
    return f"by its schema: {'; '.join(said) or f'it matches {listing(fits or ())}'}"
