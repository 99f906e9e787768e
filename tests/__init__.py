"""The tests. What they test is imported as it is: pytest would rewrite each module of a plugin."""

import sys

from flask_chainfix.pytest_plugin import AsWritten

sys.meta_path.insert(0, AsWritten)
