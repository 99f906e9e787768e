"""flask-chainfix: see what is wrong with an Alembic migration chain, and relink it safely."""

from flask_chainfix.extension import ChainFix

__version__ = "0.1.0"
__all__ = ["ChainFix", "__version__"]
