"""Commands as YAML has them."""

from __future__ import annotations

import re

from flask_chainfix.common.quoting import yaml_string

_PLAIN = re.compile(r"fixchain [\w ./=<>$\"-]+", re.ASCII)


def command_scalar(command: str) -> str:
    """A command line of ours as a scalar, plain where it is harmless."""
    return command if _PLAIN.fullmatch(command) else yaml_string(command)
