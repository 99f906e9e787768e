"""The workflow for GitHub Actions, a file of its own."""

from __future__ import annotations

from flask_chainfix.common.errors import CannotMerge
from flask_chainfix.model.pieces import Call
from flask_chainfix.pieces.scalars import command_scalar


def text(call: Call, data: bytes) -> str:
    """The workflow."""
    # GitHub puts in the value of an expression before it knows of any quotes.
    check = call.shell("check").replace("${{", "$''{{")
    command = f'{check} --against "origin/$BASE" --format github'
    return (
        "name: fixchain\n"
        "# A pull request that breaks the migration chain fails.\n"
        "on: pull_request\n"
        "permissions:\n"
        "  contents: read\n"
        "jobs:\n"
        "  fixchain:\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - uses: actions/checkout@v4\n"
        "        with:\n"
        "          fetch-depth: 0\n"
        "      - uses: actions/setup-python@v5\n"
        "        with:\n"
        '          python-version: "3.12"\n'
        f"      - run: pip install {call.requirement}\n"
        f"      - run: {command_scalar(command)}\n"
        "        env:\n"
        "          BASE: ${{ github.base_ref }}\n"
    )


def merged(data: bytes, text: str) -> bytes:
    """The workflow as a new file.

    Raises:
        CannotMerge: there is another one of that name.
    """
    if data:
        raise CannotMerge("it is there and does something else")
    return text.encode()
