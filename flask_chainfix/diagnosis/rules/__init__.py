"""The rules: one function for each fault, with its explanation.

A rule is a function ``Facts -> Iterator[Fault]``, registered with ``@rule``. Rules report root
causes, not their effects: a missing parent is not also a second base.

Users read a rule's docstring on its page of the site and from the command ``explain``. The first
line says what the fault is, and the paragraphs below explain it. Then come ``What breaks:``, which
findings repeat, ``How it happens:``, ``How to repair it:`` and ``Example:``, each with its text
indented.

The example consists of files and commands. A file is written as in the tests, on one line:

    invoices on origin/main <- orders, users @billing +stock: op.drop_table("bills")

with the side that has it, its parents, branch labels, dependencies and ``upgrade()``, each if
needed; ``1a2b in file.py`` is for a file that is not called like its revision. Below, a paragraph
that begins with ``# name.py`` shows a file as it is. The commands come last, after ``$``, and begin
with ``{fixchain}`` or ``{alembic}``, as in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import docstring_of
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Ignore
from flask_chainfix.model.findings import CODES, Explanation, Finding, Location, Severity


class Family(Enum):
    """What a rule looks at, and so what it costs."""

    CHAIN = "headers and links"
    SCHEMA = "what the migrations do, which takes reading all of them in full"
    DATABASE = "where databases stand"
    ENVIRONMENT = "what lies around the chain: env.py, configuration files, other environments"
    LOCK = "the chain lock"
    PUBLISHED = "what others have already, as Git knows it"
    REHEARSAL = "what a rehearsal has shown, which takes running the migrations"
    MERGE = "what merges with others would be, as Git makes them"


# The modules with a family's rules; they are imported only when needed.
_MODULES = {
    Family.CHAIN: ("headers", "references", "structure"),
    Family.SCHEMA: ("schema_order",),
    Family.DATABASE: ("stamps", "live_tables"),
    Family.ENVIRONMENT: ("around",),
    Family.LOCK: ("around",),
    Family.PUBLISHED: ("published",),
    Family.REHEARSAL: ("around",),
    Family.MERGE: ("merging",),
}


class Fault(NamedTuple):
    """A fault that a rule found in one place; the rule adds its code and name.

    Attributes:
        message: what is wrong, one sentence.
        hint: what to do about it.
        revisions: the ids that it is about.
        locations: where to look: places, or the header attribute of all these revisions.
        number: how many of the rule's ``noun`` were found.
        severity: overrides the rule's severity.
        breaks: overrides the rule's ``What breaks``.
        repairable: overrides whether ``repair`` mends what the rule finds.
        databases: the names of the databases that it is about.
    """

    message: str
    hint: str | Remedy
    revisions: Collection[str] = ()
    locations: Iterable[Location] | str = ()
    number: int = 1
    severity: Severity | None = None
    breaks: str | None = None
    repairable: bool | None = None
    databases: Collection[str] = ()


_Find = Callable[[Facts], Iterator[Fault]]


class Rule(NamedTuple):
    """A registered rule.

    Attributes:
        code: for example ``FC101``.
        name: for example ``multiple-bases``.
        severity: the severity of its findings, unless a fault overrides it.
        noun: what it finds, for example ``base``, to be counted in the verdict.
        family: what it looks at.
        repairable: whether ``repair`` mends what it finds.
        explanation: the docstring of its function, with the example's files in full.
        find: the function.
    """

    code: str
    name: str
    severity: Severity
    noun: str
    family: Family
    repairable: bool
    explanation: str
    find: _Find


_RULES: dict[str, Rule] = {}


def rule(  # noqa: PLR0913  (the attributes of a rule)
    code: str,
    name: str,
    severity: Severity,
    noun: str,
    family: Family = Family.CHAIN,
    *,
    repairable: bool = False,
) -> Callable[[_Find], _Find]:
    """Register a function as the rule with this code."""
    if code not in CODES:
        raise ValueError(f"{code} is not a known code")

    def register(find: _Find) -> _Find:
        text = _in_full(find.__doc__ or "")
        _RULES[code] = Rule(code, name, severity, noun, family, repairable, text, find)
        return find

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    return rules_of(*Family)


def rules_of(*families: Family) -> tuple[Rule, ...]:
    """The rules of some families, by code."""
    for module in {module for family in families for module in _MODULES[family]}:
        import_module(f"{__name__}.{module}")
    return tuple(_RULES[code] for code in sorted(_RULES) if _RULES[code].family in families)


def family_of(code: str) -> Family:
    """The family of a rule; a rule that has made a finding is imported already."""
    if code not in _RULES:
        all_rules()
    return _RULES[code].family


def codes_of(*families: Family) -> set[str]:
    """The codes of the rules of some families."""
    return {rule.code for rule in rules_of(*families)}


def diagnose(snapshot: Facts, *families: Family, ignored: bool = False) -> tuple[Finding, ...]:
    """Run the rules of some families, except for those that the settings ignore.

    Args:
        snapshot: the chain.
        families: the families; without any, ``Family.CHAIN``.
        ignored: whether to run only the ignored rules instead.

    Returns:
        The findings: errors first, then warnings, each by code.
    """
    codes = snapshot.environment.settings.ignore
    return by_severity(
        finding
        for rule in rules_of(*(families or (Family.CHAIN,)))
        if (rule.code in codes) is ignored
        for finding in _findings(rule, snapshot)
        if not _is_hidden(finding, snapshot)
    )


def diagnose_by(code: str, snapshot: Facts) -> tuple[Finding, ...]:
    """The findings of a single rule, unless the settings or a comment ignore it."""
    found = () if code in snapshot.environment.settings.ignore else found_by(code, snapshot)
    return tuple(finding for finding in found if not _is_hidden(finding, snapshot))


def found_by(code: str, snapshot: Facts) -> tuple[Finding, ...]:
    """The findings of a single rule, even if it is ignored."""
    (rule,) = (rule for rule in all_rules() if rule.code == code)
    return tuple(_findings(rule, snapshot))


def can_be_hidden(code: str) -> bool:
    """Whether a comment in a migration can hide findings of a code.

    It cannot hide a finding that stops Alembic, one that a repair needs, or one that is not about a
    single migration: about databases, the surroundings, or what others have.
    """
    return code in {*_HEADERS_THAT_WORK, *codes_of(Family.SCHEMA, Family.REHEARSAL)}


_HEADERS_THAT_WORK = frozenset(("FC109", "FC110", "FC111", "FC112"))  # unless it is an error


def comments_on(finding: Finding, snapshot: Facts) -> list[tuple[Path, Ignore]]:
    """The comments that name a finding and can hide it, in the files that it points to."""
    code = finding.code
    is_error = finding.severity is Severity.ERROR and code in _HEADERS_THAT_WORK
    if is_error or not snapshot.ignores or not can_be_hidden(code):
        return []
    return [
        (path, comment)
        for path in dict.fromkeys(place.path for place in finding.locations)
        for comment in snapshot.ignores.get(path, ())
        if code in comment.codes
    ]


def _is_hidden(finding: Finding, snapshot: Facts) -> bool:
    """Whether each file that a finding points to has a comment that hides it."""
    hiding = {path for path, _ in comments_on(finding, snapshot)}
    return bool(hiding) and hiding == {place.path for place in finding.locations}


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, each in their given order."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def explanations() -> tuple[Explanation, ...]:
    """The explanation of each rule, by code."""
    return tuple(map(explain, all_rules()))


_HEADING = re.compile(r"^(\S.*):\n(?= )", re.MULTILINE)


@cache
def explain(rule: Rule) -> Explanation:
    """Split a rule's docstring into its parts; a missing part is ``""``."""
    from inspect import cleandoc  # importing it takes as long as importing all rules
    from textwrap import dedent

    text = rule.explanation or _in_full(docstring_of(rule.find))
    introduction, *parts = _HEADING.split(cleandoc(text))
    summary, _, meaning = introduction.partition("\n\n")
    sections = dict(zip(parts[::2], map(dedent, parts[1::2]), strict=True))
    return Explanation(
        rule.code,
        rule.name,
        rule.severity,
        _unwrapped(summary),
        _unwrapped(meaning),
        _unwrapped(sections.get("What breaks", "")),
        _unwrapped(sections.get("How it happens", "")),
        _unwrapped(sections.get("How to repair it", "")),
        sections.get("Example", "").strip("\n"),
    )


def _unwrapped(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


# The first paragraph of an example, unless it begins with a file or a command.
_FILES = re.compile(r"(?<=Example:\n)( +)[^\s#$].*(?:\n\1\S.*)*")
_MARKS = {"@": 'branch_labels = ("{}",)', "+": 'depends_on = "{}"'}


def _in_full(docstring: str) -> str:
    """A docstring with the files of its example written out."""

    def written_out(found: re.Match[str]) -> str:
        files = "\n\n".join(_file(line.strip()) for line in found[0].splitlines())
        return found[1] + files.replace("\n", f"\n{found[1]}")

    return _FILES.sub(written_out, docstring)


def _file(line: str) -> str:
    """The file that a line of an example stands for, with its name above it."""
    header, _, upgrade = line.partition(": ")
    links, *marks = re.split(r" (?=[@+])", header)
    name, _, parents = links.partition(" <- ")
    revision, _, rest = name.partition(" ")
    title = rest[3:] if rest.startswith("in ") else f"{revision}.py {rest}".rstrip()
    quoted = ", ".join(f'"{parent}"' for parent in parents.split(", ") if parent)
    down_revision = f"({quoted})" if ", " in quoted else quoted or None
    lines = [f"# {title}", f'revision = "{revision}"', f"down_revision = {down_revision}"]
    lines += [_MARKS[mark[0]].format(mark[1:]) for mark in marks]
    if upgrade:
        lines += ["", "def upgrade():", f"    {upgrade}"]
    return "\n".join(lines)


def _findings(rule: Rule, snapshot: Facts) -> Iterator[Finding]:
    own = {each.name for each in snapshot.databases.statuses if each.own}
    for fault in rule.find(snapshot):
        places, here = fault.locations, [each in own for each in fault.databases]
        if isinstance(places, str):
            places = [
                place
                for revision in dict.fromkeys(fault.revisions)
                for place in snapshot.locations(revision, places)
            ]
        yield Finding(
            rule.code,
            rule.name,
            rule.noun,
            fault.number,
            fault.severity or rule.severity,
            fault.message,
            fault.breaks or explain(rule).breaks,
            Remedy.of(fault.hint).placed(here=any(here) and all(here)),
            tuple(sorted(set(fault.revisions))),
            tuple(places),
            rule.repairable if fault.repairable is None else fault.repairable,
            tuple(fault.databases),
        )
