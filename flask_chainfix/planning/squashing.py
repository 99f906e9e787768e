"""Which revisions one migration can replace, and which of their operations no schema shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.quoting import option, word
from flask_chainfix.common.remedies import Remedy, Way, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.model.plans import CarryOver
from flask_chainfix.planning.linking.strategies import require_known_headers
from flask_chainfix.schema.footprint import Action

_NAMED = 3  # revisions named in one sentence
_REMEDY = way("repair the chain first", "{fixchain} repair{databases}")


@dataclass(frozen=True)
class SquashWishes:
    """The user's options for a squash.

    Attributes:
        upto: the highest revision to replace; ``None`` for the head.
        servers: the URLs of servers to prove it on; ``OWN_SERVER`` for that of the project's own
            database.
        published_by: the Git revision that everybody has; ``None`` for the main branch and the
            releases.
        typed: the last two as options, passwords masked, with a space before each.
    """

    upto: str | None = None
    servers: tuple[str, ...] = ()
    published_by: str | None = None
    typed: str = ""

    def command(self, top: str | None, server: str = "") -> str:
        """The command that squashes up to a revision, with one more server."""
        return f"{{fixchain}} {self.part(top, server)}{{databases}}"

    def part(self, top: str | None, server: str = "") -> str:
        """The words of that command without the program and the databases."""
        upto = "" if top is None else f" {option('--upto', top)}"
        return f"squash{upto}{self.typed}{server}{{how}}"


@dataclass(frozen=True)
class Cut:
    """A revision and everything below it, with no other links to them.

    Attributes:
        top: the highest revision; the replacement keeps its id.
        replaced: all the revisions, base first.
        labels: the branch labels that they declare.
    """

    top: str
    replaced: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def below(self) -> frozenset[str]:
        """The revisions whose ids disappear."""
        return frozenset(self.replaced) - {self.top}


def require_healthy(diagnosis: Diagnosis) -> None:
    """Refuse a chain that is not healthy.

    Raises:
        CannotPlan: the chain has faults, or parts that cannot be read.
    """
    codes = codes_of(Family.CHAIN)
    for fault in errors_of(diagnosis.findings):
        if fault.code in codes:
            raise CannotPlan(
                f"a broken chain cannot be squashed: {fault.message}", _REMEDY | fault.hint
            )
    require_known_headers(diagnosis.snapshot)


def cut_at(now: Facts, wishes: SquashWishes) -> Cut:
    """The revisions to replace.

    Args:
        now: a healthy chain.
        wishes: the user's options.

    Raises:
        CannotPlan: there is no such revision, or another revision is linked to one below it.
    """
    graph, top = now.graph, wishes.upto
    if top is None:
        top = _only_head(now, wishes)
    elif top not in graph:
        raise CannotPlan(
            f"there is no revision {top!r} in this chain",
            way("give --upto the full id of a revision; to see them", "{alembic} history"),
        )
    ancestors = {*graph.ancestors([top]), top}
    replaced = tuple(name for name in graph.order if name in ancestors)
    if len(replaced) == 1:
        raise CannotPlan(
            f"there is nothing below {top} to squash it with", "give --upto a later revision"
        )
    labels = (label for name in replaced for label in graph.labels.get(name, ()))
    cut = Cut(top, replaced, tuple(dict.fromkeys(labels)))
    _refuse_hanging(now, cut, wishes)
    return cut


def _only_head(now: Facts, wishes: SquashWishes) -> str:
    heads = now.graph.heads
    if len(heads) > 1:
        raise CannotPlan(
            f"the chain has {len(heads)} heads: {listing(heads, _NAMED)}",
            Remedy(
                tuple(
                    Way(f"squash up to {head}", (wishes.command(head),)) for head in heads[:_NAMED]
                )
            ),
        )
    return heads[0]


def _refuse_hanging(now: Facts, cut: Cut, wishes: SquashWishes) -> None:
    """Refuse if a remaining revision needs a replaced one, or the other way round."""
    graph = now.graph
    for name in graph.order:
        inside = name in cut.below or name == cut.top
        if not inside:
            for parent in graph.parents[name]:
                if parent in cut.below:
                    raise CannotPlan(
                        f"{name} is on {parent}, which is below {cut.top}, and would lose it",
                        _lower(now, cut, parent, wishes),
                    )
        for needed in graph.dependencies.get(name, ()):
            if not inside and needed in cut.below:
                raise CannotPlan(
                    f"{name} depends on {needed}, which is below {cut.top}, and would lose it",
                    _lower(now, cut, needed, wishes),
                )
            if inside and needed not in cut.replaced:
                raise CannotPlan(
                    f"{name} depends on {needed}, which is not below {cut.top}",
                    _lower(now, cut, name, wishes),
                )


def _lower(now: Facts, cut: Cut, name: str, wishes: SquashWishes) -> Remedy:
    """The remedy: squash only up to the revision with the other link."""
    if name == cut.top or not now.graph.ancestors([name]) - {name}:
        return Remedy.of("give --upto a revision that nothing else depends on")
    return way(f"squash up to {name} only", wishes.command(name))


def refuse_unpublished(
    now: Facts, cut: Cut, chains: Sequence[PublishedChain], wishes: SquashWishes
) -> None:
    """Refuse to replace a revision that others do not have yet.

    One of their databases, unknown here, may be below the cut.

    Args:
        now: the chain.
        cut: the revisions to replace.
        chains: the chains of the main branch and releases, or of the Git revision that the user
            names; empty if unknown.
        wishes: the user's options.

    Raises:
        CannotPlan: none of the chains has it.
    """
    known = frozenset[str]().union(*(chain.revisions for chain in chains))
    missing = [name for name in cut.replaced if name not in known]
    if not chains or not missing:
        return
    names = " or ".join(chain.name for chain in chains[:_NAMED])
    raise CannotPlan(
        f"{listing(missing, _NAMED)} {'is' if len(missing) == 1 else 'are'} not in {names}: only"
        " what everybody has can be squashed",
        _highest(now, cut, known, wishes),
    )


def _highest(now: Facts, cut: Cut, known: Collection[str], wishes: SquashWishes) -> Remedy:
    """The remedy: squash up to the highest revision that is published with all its ancestors."""
    for name in reversed(cut.replaced):
        below = {*now.graph.ancestors([name]), name}
        if len(below) > 1 and below.issubset(known):
            return way(f"squash up to {name}, which is there", wishes.command(name))
    return Remedy.of("squash once these revisions are there")


def refuse_below(now: Facts, cut: Cut, wishes: SquashWishes) -> None:
    """Refuse if a known database has not run all the replaced revisions.

    Raises:
        UnsafeForDatabases: a database is below; with the command that upgrades it.
    """
    for status in now.databases.statuses:
        below = [row for row in status.rows if row in cut.below]
        if below:
            where = "" if status.own else f", with env.py connecting to {status.name}"
            raise UnsafeForDatabases(
                f"{status.name} is at {', '.join(below)}, below {cut.top}: upgrade it first,"
                " because it still needs files that squash would delete",
                way(
                    f"upgrade it{where}",
                    f"{{alembic}} upgrade {word(cut.top)}",
                    wishes.command(cut.top),
                )
                | leaving_out(
                    now,
                    [status.name],
                    wishes.part(wishes.upto),
                    "leave it out, if it may be thrown away",
                ),
            )


# --- What no schema shows ------------------------------------------------------------------------
def carried_over(now: Facts, cut: Cut) -> tuple[CarryOver, ...]:
    """The operations that the user must review: changes of rows, and unreadable ones."""
    found = (each for name in cut.replaced for each in _unseen(now, name))
    return tuple(dict.fromkeys(found))


def _unseen(now: Facts, revision: str) -> Iterator[CarryOver]:
    file = now.file(revision)
    footprint = now.footprint(file)
    # What only creates and drops, or only uses, is compared with the schema, or needs nothing.
    notes: dict[int, str] = {
        each.line: each.detail
        for each in footprint.opaque
        if each.actions > frozenset({Action.USE})
    }
    notes |= {line: f"changes rows: {what}" for what, line in footprint.rows}
    for line, detail in sorted(notes.items()):
        yield CarryOver(revision, file.path, line, detail)


def mentioned_at(now: Facts, cut: Cut, names: Mapping[str, str]) -> Mapping[str, CarryOver]:
    """Where the replaced migrations first mention each name, by the object that it names."""
    places: dict[str, CarryOver] = {}
    for revision in cut.replaced:
        file = now.file(revision)
        lines = file.data.decode(errors="replace").splitlines()
        for about, name in names.items():
            if about in places:
                continue
            for number, line in enumerate(lines, 1):
                if name.casefold() in line.casefold():
                    places[about] = CarryOver(revision, file.path, number, about)
                    break
    return places
