"""What can be wrong with a chain: one function for each fault, each its own explanation.

A rule is a function ``Facts -> Iterator[Fault]``, registered with ``@rule``. Root causes are
reported, not their echoes: a missing parent is not also a second base.

Its docstring is what users read, in the README's table and from the command ``explain``: the first
line says what it is, and the paragraphs below what that means (what breaks is said by ``breaks``).
Then come ``How it comes about:``, ``How it is repaired:`` and ``Example:``, each with its text
further in. The example is files, each with ``# name.py`` above it, and commands behind ``$``, which
begin with ``{fixchain}`` or ``{alembic}`` here as in the text.
"""

from flask_chainfix.diagnosis.registry import (
    Family,
    Rule,
    all_rules,
    by_severity,
    codes_of,
    diagnose,
    diagnose_by,
    explain,
    explanations,
)
from flask_chainfix.diagnosis.remarks import cause_of
from flask_chainfix.diagnosis.rules import (  # noqa: F401  (they register rules)
    against_others,
    environments,
    headers,
    live_tables,
    references,
    schema_order,
    stamps,
    structure,
)

__all__ = [
    "Family",
    "Rule",
    "all_rules",
    "by_severity",
    "cause_of",
    "codes_of",
    "diagnose",
    "diagnose_by",
    "explain",
    "explanations",
]
