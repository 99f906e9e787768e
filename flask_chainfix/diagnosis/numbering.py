"""Ids for new and renamed revisions, and names for their files, in the manner of the chain.

A chain whose latest ids count goes on counting: numbers, numbers with words behind them, dates.
Other ids are twelve hexadecimal digits like those that Alembic makes, only that they depend on
nothing but the content: what a check shows is what a repair writes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header

LONGEST_ID = 32  # alembic_version.version_num is VARCHAR(32)
_HEX_LENGTH = 12
_LATEST = 5  # revisions whose ids tell how the next one is made
_SHORT = 4  # digits; a longer number that stands alone may be a hexadecimal id by chance
_COUNTED = re.compile(r"(?P<prefix>\D*?)(?P<number>\d+(?:[_.]\d+)*)(?![^\W_])")
_ROUND_STEPS = frozenset({5, 10, 100, 1000})
_DAY = 8  # digits
_DATES = {  # by their number of digits
    _DAY: ("%Y%m%d", timedelta(days=1)),
    12: ("%Y%m%d%H%M", timedelta(minutes=1)),
    14: ("%Y%m%d%H%M%S", timedelta(seconds=1)),
}
_YEARS = range(1990, 2100)


class NewIds:
    """Makes ids that no revision has, each of them once.

    Args:
        snapshot: the chain, and what is known of databases, lost revisions and other branches.
        taken: ids that must not be used besides.

    Attributes:
        counting: how the chain's ids count; ``None`` where they do not.
        made: the ids that have been made.
    """

    def __init__(self, snapshot: Facts, taken: Collection[str] = ()) -> None:
        graph, known = snapshot.graph, snapshot.databases
        rows = (row for status in known.statuses for row in status.rows)
        elsewhere = (id_ for chain in snapshot.published_chains for id_ in chain.revisions)
        used = (*known.lost, *known.renamed, *rows, *elsewhere, *taken)
        self._taken = {*graph, *graph.labelled, *used}
        self.counting = _counting(graph.order, graph.parents)
        self.made: set[str] = set()

    def next(self, seed: bytes, message: str, old: str = "") -> str:
        """The next id.

        Args:
            seed: what the id depends on where the chain does not count.
            message: what the revision is about, for ids that hold words.
            old: the id that the revision has; words in it stay.
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
    from hashlib import sha256  # it takes long to load, and most commands make no ids

    while True:
        seed = sha256(seed).hexdigest().encode()
        yield seed[:_HEX_LENGTH].decode()


class Counting(NamedTuple):
    """How the latest names of a chain count.

    Attributes:
        prefix: what stands before the number.
        groups: how many groups of digits the number has, with ``_`` or ``.`` between them.
        digits: how many digits the first of them has at most; older names may have others.
        step: by how much the number grows.
        separator: what stands between the number and words; ``""`` for names without words.
    """

    prefix: str
    groups: int
    digits: int
    step: int = 1
    separator: str = ""

    def number(self, name: str) -> str | None:
        """The number in a name; ``None`` for a name that does not count in this way."""
        match = re.match(rf"{self._pattern}(?![^\W_])", name)
        if match is None or len(re.split("[_.]", match[1])[0]) > self.digits:
            return None
        return match[1]

    def is_before(self, name: str, other: str) -> bool:
        """Whether a name counts less than another one, or the same."""
        first, second = self.number(name), self.number(other)
        return bool(first and second and _value(first) <= _value(second))

    def words(self, name: str) -> str:
        """What stands behind the number in a name."""
        number = self.number(name)
        return "" if number is None else name[len(self.prefix) + len(number) :].strip("_. ")

    def after(self, names: Iterable[str], slug: str) -> Iterator[str]:
        """The names that follow all others, with these words where names have some."""
        words = f"{self.separator}{slug}" if self.separator and slug else ""
        number = max(filter(None, map(self.number, names)), key=_value)
        if self.separator and is_date(number) and sum(map(str.isdigit, number)) == _DAY:
            yield f"{self.prefix}{number}{words}"  # several may be of one day
        while True:
            number = self._raised(number)
            yield f"{self.prefix}{number}{words}"

    def step_between(self, below: str, above: str) -> int | None:
        """By how much a name counts on from one below; of dates, whether it does, 1 or -1."""
        first, second = self.number(below), self.number(above)
        if first is None or second is None:
            return None
        if is_date(first) or self.groups > 1:
            return 1 if _value(second) > _value(first) else -1
        return _value(second)[0] - _value(first)[0]

    def separator_in(self, names: Iterable[str]) -> str:
        """What most names have between their number and the words behind it."""
        pattern = re.compile(rf"{self._pattern}([^0-9A-Za-z]?)")
        ends = Counter(match[2] for match in map(pattern.match, names) if match)
        return ends.most_common(1)[0][0] if ends else ""

    @property
    def _pattern(self) -> str:
        return rf"{re.escape(self.prefix)}(\d+(?:[_.]\d+){{{self.groups - 1}}})"

    def _raised(self, number: str) -> str:
        """The next number, or the next date, written in the same way."""
        date = _date(number)
        if date is None:
            *head, last = re.split(r"(?<=\D)(?=\d+$)", number)
            return f"{''.join(head)}{int(last) + self.step:0{len(last)}}"
        date_format, unit = _DATES[sum(map(str.isdigit, number))]
        left = iter((date + unit).strftime(date_format))
        return "".join(next(left) if character.isdigit() else character for character in number)


def _counting(order: Sequence[str], parents: Mapping[str, Collection[str]]) -> Counting | None:
    """How the latest names of a chain count.

    Args:
        order: the names, the latest last.
        parents: the names below each.

    Returns:
        ``None`` where most of the latest names do not count.
    """
    latest = order[-_LATEST:]
    found = {name: match for name in latest if (match := _COUNTED.match(name)) is not None}
    prefixes = Counter(match["prefix"] for match in found.values())
    prefix, number = prefixes.most_common(1)[0] if prefixes else ("", 0)
    if number * 2 <= len(latest):
        return None
    alike = [name for name, match in found.items() if match["prefix"] == prefix]
    split = [re.split("[_.]", found[name]["number"]) for name in alike]
    scheme = Counting(prefix, min(map(len, split)), len(split[-1][0]))
    scheme = scheme._replace(separator=scheme.separator_in(alike))
    pairs = ((parent, name) for name in order for parent in parents.get(name, ()))
    all_steps = (scheme.step_between(parent, name) for parent, name in pairs)
    steps = [step for step in all_steps if step is not None][-_LATEST:]
    if not steps:  # nothing to compare
        last = scheme.number(alike[-1]) or ""
        plain = not prefix and (last.startswith("0") or len(last) <= _SHORT)
        return scheme if plain else None
    if sum(step > 0 for step in steps) * 2 <= len(steps):
        return None
    usual, times = Counter(steps).most_common(1)[0]
    step = usual if usual in _ROUND_STEPS and times * 2 > len(steps) else 1
    if prefix and step not in steps:  # words that end with some digits
        return None
    return scheme._replace(step=step)


def is_date(number: str) -> bool:
    """Whether a number is a date, of which several can be of one day."""
    return _date(number) is not None


def _date(number: str) -> datetime | None:
    digits = re.sub("[_.]", "", number)
    known = _DATES.get(len(digits))
    if known is None or int(digits[:4]) not in _YEARS:
        return None
    try:
        return datetime.strptime(digits, known[0])
    except ValueError:
        return None


def _value(number: str) -> tuple[int, ...]:
    return tuple(map(int, re.split("[_.]", number)))


def same_numbers(
    snapshot: Facts, ours: Collection[str], theirs: Collection[str]
) -> list[tuple[str, str]]:
    """The pairs of revisions, one of each, whose ids have one number in a chain that counts."""
    scheme = NewIds(snapshot).counting
    if scheme is None:
        return []
    numbers = {scheme.number(name): name for name in sorted(theirs, reverse=True)}
    found = ((name, scheme.number(name)) for name in sorted(ours))
    return [
        (name, numbers[number])
        for name, number in found
        if number is not None
        and not is_date(number)
        and number in numbers
        and numbers[number] != name
    ]


def _slug_of(message: str) -> str:
    """The words of a message, as Alembic writes them into the names of files."""
    return "_".join(re.findall(r"\w+", message)).lower()


def file_stem(snapshot: Facts, revision: str, message: str) -> str | None:
    """The name of a new file, without its suffix, where the latest files have names of their own.

    Returns:
        ``None`` where most of the latest files are called as Alembic's default has it.
    """
    stems = {
        header.revision: file.name.rpartition(".")[0]
        for file in snapshot.files
        if isinstance(header := file.reading, Header) and header.revision is not None
    }
    graph = snapshot.graph
    order = [name for name in graph.order if name in stems]
    latest = order[-_LATEST:]
    if sum(stems[name] == name for name in latest) * 2 > len(latest):
        return revision if _counting(order, graph.parents) is not None else None
    if sum(name in stems[name] for name in latest) * 2 >= len(latest):
        return None
    below = {stems[name]: [stems[p] for p in graph.parents[name]] for name in order}
    scheme = _counting([stems[name] for name in order], below)
    return None if scheme is None else next(scheme.after(stems.values(), _slug_of(message)))
