"""SQL text -> what it does to the schema. Pure, and bounded in time.

What defines (CREATE, ALTER, DROP, …) is read here, from tokens: sqlglot takes some of it for
something else and leaves much of it unread, and differently so from version to version. What
asks for data or changes it (SELECT, UPDATE, …) is parsed by sqlglot.
"""

from flask_chainfix.footprint.sql.effort import Allowance
from flask_chainfix.footprint.sql.reader import read_sql

__all__ = ["Allowance", "read_sql"]
