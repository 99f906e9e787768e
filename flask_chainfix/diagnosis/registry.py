"""How rules are registered and run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from textwrap import dedent

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.findings import CODES, Explanation, Finding, Location, Severity


class Family(Enum):
    """What a rule looks at, and so what it costs."""

    CHAIN = "headers and links"
    SCHEMA = "what the migrations do, which takes reading all of them in full"
    DATABASE = "where databases stand"
    ENVIRONMENT = "what lies around the chain: env.py, configuration files, other environments"
    LOCK = "the chain lock"
    PUBLISHED = "what others have already, as Git knows it"


@dataclass(frozen=True)
class Fault:
    """What one rule found in one place; the rule adds its code and name.

    Attributes:
        message: what is wrong, one sentence.
        hint: what to do about it.
        revisions: the ids that it is about.
        locations: where to look.
        number: how many of what the rule looks for were found.
        severity: where it differs from the rule's own.
        breaks: where it differs from what the rule's fault usually breaks.
        repairable: where it differs from whether ``repair`` mends what the rule finds.
    """

    message: str
    hint: str | Remedy
    revisions: Iterable[str]
    locations: Iterable[Location]
    number: int = 1
    severity: Severity | None = None
    breaks: str | None = None
    repairable: bool | None = None


@dataclass(frozen=True)
class Rule:
    """A registered rule.

    Attributes:
        code: ``FC101`` for example.
        name: ``multiple-bases`` for example.
        noun: what it finds, ``base`` for example, to be counted in the verdict.
        severity: of its findings, unless one says otherwise.
        breaks: what stops working, unless one says otherwise.
        repairable: whether ``repair`` mends what it finds.
        family: what it looks at.
        explanation: the docstring of its function.
        find: the function.
    """

    code: str
    name: str
    noun: str
    severity: Severity
    breaks: str
    repairable: bool
    family: Family
    explanation: str
    find: Callable[[Facts], Iterator[Fault]]


_RULES: dict[str, Rule] = {}


_Find = Callable[[Facts], Iterator[Fault]]


def rule(  # noqa: PLR0913  (what a rule says of itself, and all of it by name)
    code: str,
    name: str,
    severity: Severity,
    *,
    noun: str,
    breaks: str,
    repairable: bool = False,
    family: Family = Family.CHAIN,
) -> Callable[[_Find], _Find]:
    """Register a function as the rule with this code."""
    if code not in CODES:
        raise ValueError(f"{code} is no known code")

    def register(find: _Find) -> _Find:
        explanation = inspect.cleandoc(find.__doc__ or "")
        _RULES[code] = Rule(
            code, name, noun, severity, breaks, repairable, family, explanation, find
        )
        return find

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    return tuple(_RULES[code] for code in sorted(_RULES))


def codes_of(*families: Family) -> set[str]:
    """The codes of the rules of some families."""
    return {rule.code for rule in all_rules() if rule.family in families}


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
    wanted = families or (Family.CHAIN,)
    findings = [
        _finding(rule, fault)
        for rule in all_rules()
        if rule.family in wanted and (rule.code in codes) is ignored
        for fault in rule.find(snapshot)
    ]
    return by_severity(findings)


def diagnose_by(code: str, snapshot: Facts) -> tuple[Finding, ...]:
    """What a single rule finds, unless the settings ignore it."""
    (rule,) = (rule for rule in all_rules() if rule.code == code)
    if code in snapshot.environment.settings.ignore:
        return ()
    return tuple(_finding(rule, fault) for fault in rule.find(snapshot))


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, each in the order in which they come."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def _finding(rule: Rule, fault: Fault) -> Finding:
    return Finding(
        rule.code,
        rule.name,
        rule.noun,
        fault.number,
        fault.severity or rule.severity,
        fault.message,
        fault.breaks or rule.breaks,
        Remedy.of(fault.hint),
        tuple(sorted(set(fault.revisions))),
        tuple(fault.locations),
        rule.repairable if fault.repairable is None else fault.repairable,
    )


# --- What the rules' docstrings say, part by part ------------------------------------------------


_HEADING = re.compile(r"^(\S.*):\n(?= )", re.MULTILINE)


def explanations() -> tuple[Explanation, ...]:
    """What each rule says of itself, by code."""
    return tuple(map(explain, all_rules()))


def explain(rule: Rule) -> Explanation:
    """Take a rule's docstring apart.

    Args:
        rule: its docstring has the shape that the package's own docstring tells; a part that is
            missing is ``""``.
    """
    introduction, *parts = _HEADING.split(rule.explanation)
    summary, _, meaning = introduction.partition("\n\n")
    sections = dict(zip(parts[::2], map(dedent, parts[1::2]), strict=True))
    return Explanation(
        rule.code,
        rule.name,
        rule.severity,
        _unwrapped(summary),
        _unwrapped(meaning),
        rule.breaks,
        _unwrapped(sections.get("How it comes about", "")),
        _unwrapped(sections.get("How it is repaired", "")),
        sections.get("Example", "").strip("\n"),
    )


def _unwrapped(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
