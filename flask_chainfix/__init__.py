"""flask-chainfix: see what is wrong with an Alembic migration chain, and relink it safely."""

from flask_chainfix.extension import ChainFix

__all__ = ["ChainFix"]
