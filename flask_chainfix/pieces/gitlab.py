"""The job for GitLab CI, a key at the top of its configuration."""

from __future__ import annotations

import re

from flask_chainfix.common.errors import CannotMerge
from flask_chainfix.model.pieces import Call
from flask_chainfix.pieces.outline import Outline, read_outline, with_lines
from flask_chainfix.pieces.scalars import command_scalar

_APART = (".pre", ".post")


_STAGE = re.compile(r"(?:\[| *- ) *(([\"']?)[\w.-]+\2) *(?:[],#]|$)")


def text(call: Call, data: bytes) -> str:
    """The job, in the first of the stages that are listed."""
    try:
        stage = _first_stage(read_outline(data))
    except CannotMerge:
        stage = None
    against = '--against "$CI_MERGE_REQUEST_DIFF_BASE_SHA"'
    command = f"{call.shell('check')} {against} --format junit > fixchain.xml"
    return (
        "# A merge request that breaks the migration chain fails.\n"
        "fixchain:\n" + (f"  stage: {stage}\n" if stage else "") + "  image: python:3.12\n"
        "  rules:\n"
        '    - if: $CI_PIPELINE_SOURCE == "merge_request_event"\n'
        "  variables:\n"
        '    GIT_DEPTH: "0"\n'
        "  script:\n"
        f"    - pip install {call.requirement}\n"
        f"    - {command_scalar(command)}\n"
        "  artifacts:\n"
        "    when: always\n"
        "    reports:\n"
        "      junit: fixchain.xml\n"
    )


def _first_stage(outline: Outline) -> str | None:
    """The first stage; ``None`` where none are listed and the default ones count.

    Raises:
        CannotMerge: it is not certain which one that is.
    """
    stages = outline.keys.get("stages")
    if stages is None:
        return None
    below = (line.rstrip() for line in outline.lines[stages.line + 1 :])
    first = stages.value or next((line for line in below if line.strip(" ")[:1] not in "#"), "")
    found = _STAGE.match(first)
    if found is None:
        raise CannotMerge("it is not certain what its first stage is")
    if found[1].strip("\"'") in _APART:
        raise CannotMerge(f"its first stage is {found[1]}, whose jobs GitLab does not run alone")
    return found[1]


def merged(data: bytes, text: str) -> bytes:
    """The configuration with the job at its end.

    Raises:
        CannotMerge: it is not certain that it stays as it is but for that.
    """
    outline = read_outline(data)
    _first_stage(outline)
    if not outline.keys:
        raise CannotMerge("it holds no job")
    if "fixchain" in outline.keys:
        raise CannotMerge("it has another job of the name fixchain")
    whole = outline.lines[-1].endswith("\n")
    if outline.in_block and not whole:
        raise CannotMerge("it ends in a block of text without a line end")
    # Lines without text would become a part of a block.
    text = ("" if whole else "\n") + ("" if outline.in_block else "\n") + text
    end = outline.end_of(0)
    return with_lines(outline, len(outline.lines), text.replace("\n", end), "fixchain")
