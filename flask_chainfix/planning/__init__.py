"""From what is wrong with a chain to a plan that mends it."""

from flask_chainfix.planning import linear, merge  # noqa: F401  (they register strategies)
