"""What can be wrong with a chain: one function for each fault, each its own explanation.

A rule is a function ``Facts -> Iterator[Fault]``, registered with ``@rule``. Root causes are
reported, not their echoes: a missing parent is not also a second base.

Its docstring is what users read, in the README's table and from the command ``explain``: the first
line says what it is, and the paragraphs below what that means. Then come ``What breaks:``, which
findings repeat, ``How it comes about:``, ``How it is repaired:`` and ``Example:``, each with its
text further in. The example is files, each with ``# name.py`` above it, and commands behind ``$``,
which begin with ``{fixchain}`` or ``{alembic}`` here as in the text.
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


# The modules that hold the rules of a family; what is not asked for is not imported.
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
    """What one rule found in one place; the rule adds its code and name.

    Attributes:
        message: what is wrong, one sentence.
        hint: what to do about it.
        revisions: the ids that it is about.
        locations: where to look: places, or the header attribute of all these revisions.
        number: how many of what the rule looks for were found.
        severity: where it differs from the rule's own.
        breaks: where it differs from what the rule's fault usually breaks.
        repairable: where it differs from whether ``repair`` mends what the rule finds.
    """

    message: str
    hint: str | Remedy
    revisions: Collection[str] = ()
    locations: Iterable[Location] | str = ()
    number: int = 1
    severity: Severity | None = None
    breaks: str | None = None
    repairable: bool | None = None


_Find = Callable[[Facts], Iterator[Fault]]


class Rule(NamedTuple):
    """A registered rule.

    Attributes:
        code: ``FC101`` for example.
        name: ``multiple-bases`` for example.
        severity: of its findings, unless one says otherwise.
        noun: what it finds, ``base`` for example, to be counted in the verdict.
        family: what it looks at.
        repairable: whether ``repair`` mends what it finds.
        explanation: the docstring of its function.
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


def rule(  # noqa: PLR0913  (what a rule says of itself)
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
        text = find.__doc__ or ""
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
    """What the rule of a code looks at; that of a finding is imported already."""
    if code not in _RULES:
        all_rules()
    return _RULES[code].family


def codes_of(*families: Family) -> set[str]:
    """The codes of the rules of some families."""
    return {rule.code for rule in rules_of(*families)}


def diagnose(snapshot: Facts, *families: Family, ignored: bool = False) -> tuple[Finding, ...]:
    """Run the rules of some families that the settings do not ignore; or only those that they do.

    Args:
        snapshot: the chain.
        families: which rules; without any, those of the chain.
        ignored: whether to run the ignored rules instead of the others.

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
    """What a single rule finds, unless the settings or a comment ignore it."""
    found = () if code in snapshot.environment.settings.ignore else found_by(code, snapshot)
    return tuple(finding for finding in found if not _is_hidden(finding, snapshot))


def found_by(code: str, snapshot: Facts) -> tuple[Finding, ...]:
    """What a single rule finds, whoever ignores it."""
    (rule,) = (rule for rule in all_rules() if rule.code == code)
    return tuple(_findings(rule, snapshot))


def can_be_hidden(code: str) -> bool:
    """Whether a comment in a migration can hide findings of a code.

    Not what stops Alembic whatever a comment says, and what a repair needs to know; nor what is no
    matter of one migration: databases, the surroundings, and what others have.
    """
    return code in {*_HEADERS_THAT_WORK, *codes_of(Family.SCHEMA, Family.REHEARSAL)}


_HEADERS_THAT_WORK = frozenset(("FC109", "FC110", "FC111", "FC112"))  # unless it is an error


def comments_on(finding: Finding, snapshot: Facts) -> list[tuple[Path, Ignore]]:
    """The comments that name a finding which can be hidden, in the files that it points to."""
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
    """Whether each file that it points to says that it is to be hidden."""
    hiding = {path for path, _ in comments_on(finding, snapshot)}
    return bool(hiding) and hiding == {place.path for place in finding.locations}


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, each in the order in which they come."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def explanations() -> tuple[Explanation, ...]:
    """What each rule says of itself, by code."""
    return tuple(map(explain, all_rules()))


_HEADING = re.compile(r"^(\S.*):\n(?= )", re.MULTILINE)


@cache
def explain(rule: Rule) -> Explanation:
    """Take a rule's docstring apart; a part that is missing is ``""``."""
    from inspect import cleandoc  # takes as long to import as all rules
    from textwrap import dedent

    text = rule.explanation or docstring_of(rule.find)
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
        _unwrapped(sections.get("How it comes about", "")),
        _unwrapped(sections.get("How it is repaired", "")),
        sections.get("Example", "").strip("\n"),
    )


def _unwrapped(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _findings(rule: Rule, snapshot: Facts) -> Iterator[Finding]:
    for fault in rule.find(snapshot):
        places = fault.locations
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
            Remedy.of(fault.hint),
            tuple(sorted(set(fault.revisions))),
            tuple(places),
            rule.repairable if fault.repairable is None else fault.repairable,
        )
