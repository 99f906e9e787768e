"""What can be wrong with a chain: one function for each fault, each its own explanation.

A rule is a function ``Snapshot -> Iterator[Fault]``, registered with ``@rule``. Its docstring
is the text that users read. Root causes are reported, not their echoes: a missing parent is not
also a second base.
"""

from flask_chainfix.rules import (  # noqa: F401  (they register rules)
    chain,
    databases,
    headers,
    references,
    schema,
)
from flask_chainfix.rules.causes import cause_of
from flask_chainfix.rules.registry import Family, Rule, all_rules, by_severity, codes_of, diagnose

__all__ = ["Family", "Rule", "all_rules", "by_severity", "cause_of", "codes_of", "diagnose"]
