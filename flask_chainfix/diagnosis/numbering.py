"""Ids for new and renamed revisions, in the style of the chain.

If a chain's latest ids count, new ones continue: numbers, with or without words. Other ids are
twelve hexadecimal digits like Alembic's, but derived from the content only, so that a
repair writes what a check shows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from flask_chainfix.databases.facts import Facts

LONGEST_ID = 32  # alembic_version.version_num is VARCHAR(32)
# What can be written into a file's name and text unchanged, and nobody overlooks.
_PLAIN = re.compile(r"\w(?:[\w. ]*[\w.])?")
_LONGEST = 100
_SYMBOLS = frozenset({"base", "head", "heads"})
_HEX_LENGTH = 12
_LATEST = 5  # the number of latest revisions that decide the style of ids
_SHORT = 4  # digits; a longer number on its own may be a hexadecimal id by chance
_COUNTED = re.compile(r"(?P<prefix>\D*?)(?P<number>\d+)(?![^\W_])")
_MOST_DIGITS = 7  # a longer number may be a date, which does not count


def can_have_file(revision: str) -> bool:
    """Whether a file can be written for an id; databases can hold any text."""
    plain = _PLAIN.fullmatch(revision) is not None and len(revision) <= _LONGEST
    return plain and revision not in _SYMBOLS


class NewIds:
    """Makes ids that no revision has, each once.

    Args:
        snapshot: the chain, with databases, lost revisions and other branches.

    Attributes:
        counting: how the chain's ids count; ``None`` if they do not.
        made: the ids that have been made.
    """

    def __init__(self, snapshot: Facts) -> None:
        graph, known = snapshot.graph, snapshot.databases
        rows = (row for status in known.statuses for row in status.rows)
        elsewhere = (id_ for chain in snapshot.published_chains for id_ in chain.revisions)
        self._taken = {*graph, *graph.labelled, *known.lost, *known.renamed, *rows, *elsewhere}
        self.counting = _counting(graph.order, graph.parents)
        self.made: set[str] = set()

    def next(self, seed: bytes, message: str, old: str = "") -> str:
        """The next id.

        Args:
            seed: the id is derived from it if the chain does not count.
            message: the revision's message, for ids with words.
            old: the revision's current id; words in it stay.
        """
        if self.counting is None:
            candidates = _hashes(seed)
        else:
            slug = self.counting.words(old) or _slug_of(message)
            candidates = self.counting.after(self._taken, slug)
        fitting = (id_[:LONGEST_ID].rstrip("_. ") for id_ in candidates)
        new = next(id_ for id_ in fitting if id_ not in self._taken)
        self._taken.add(new)
        self.made.add(new)
        return new


def _hashes(seed: bytes) -> Iterator[str]:
    from hashlib import sha256  # slow to import, and most commands make no ids

    while True:
        seed = sha256(seed).hexdigest().encode()
        yield seed[:_HEX_LENGTH].decode()


class Counting(NamedTuple):
    """How the latest ids of a chain count.

    Attributes:
        prefix: the text before the number.
        digits: the most digits of a number; older names may have others.
        separator: the text between number and words; ``""`` for names without words.
    """

    prefix: str
    digits: int
    separator: str

    def number(self, name: str) -> str | None:
        """The number in a name; ``None`` if the name does not count in this way."""
        match = re.match(rf"{re.escape(self.prefix)}(\d+)(?![^\W_])", name)
        return match[1] if match is not None and len(match[1]) <= self.digits else None

    def is_before(self, name: str, other: str) -> bool:
        """Whether a name's number is lower than another's, or the same."""
        first, second = self.number(name), self.number(other)
        return bool(first and second and int(first) <= int(second))

    def words(self, name: str) -> str:
        """The words after the number in a name."""
        number = self.number(name)
        return "" if number is None else name[len(self.prefix) + len(number) :].strip("_. ")

    def after(self, names: Iterable[str], slug: str) -> Iterator[str]:
        """The names that follow all others, with these words if names have words."""
        words = f"{self.separator}{slug}" if self.separator and slug else ""
        number = max(filter(None, map(self.number, names)), key=int)
        for following in count(int(number) + 1):
            yield f"{self.prefix}{following:0{len(number)}}{words}"


def _counting(order: Sequence[str], parents: Mapping[str, Collection[str]]) -> Counting | None:
    """How the latest names of a chain count.

    Args:
        order: the names, the latest last.
        parents: the parents' names of each.

    Returns:
        ``None`` if most of the latest names do not count.
    """
    latest = order[-_LATEST:]
    found = {name: match for name in latest if (match := _COUNTED.match(name)) is not None}
    prefixes = Counter(match["prefix"] for match in found.values())
    prefix, times = prefixes.most_common(1)[0] if prefixes else ("", 0)
    if times * 2 <= len(latest):
        return None
    alike = [name for name, match in found.items() if match["prefix"] == prefix]
    last = found[alike[-1]]["number"]
    if len(last) > _MOST_DIGITS and not last.startswith("0"):
        return None
    ends = Counter(name[found[name].end() :][:1] for name in alike)
    scheme = Counting(prefix, len(last), ends.most_common(1)[0][0])
    links = ((below, name) for name in order for below in parents[name])
    pairs = [(scheme.number(below), scheme.number(name)) for below, name in links]
    steps = [int(above) - int(below) for below, above in pairs if below and above][-_LATEST:]
    if not steps:  # nothing to compare
        plain = not prefix and (last.startswith("0") or len(last) <= _SHORT)
        return scheme if plain else None
    words = prefix and 1 not in steps  # they merely end with digits
    return scheme if not words and sum(step > 0 for step in steps) * 2 > len(steps) else None


def same_numbers(
    snapshot: Facts, ours: Collection[str], theirs: Collection[str]
) -> list[tuple[str, str]]:
    """The pairs of revisions, one of each side, with the same number in a chain that counts."""
    scheme = _counting(snapshot.graph.order, snapshot.graph.parents)
    if scheme is None:
        return []
    numbers = {scheme.number(name): name for name in sorted(theirs, reverse=True)}
    found = ((name, scheme.number(name)) for name in sorted(ours))
    return [
        (name, numbers[number])
        for name, number in found
        if number is not None and number in numbers and numbers[number] != name
    ]


def _slug_of(message: str) -> str:
    """The words of a message, as Alembic writes them in file names."""
    return "_".join(re.findall(r"\w+", message)).lower()
