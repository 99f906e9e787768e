"""What is true of each channel's output, whatever words are in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as Xml

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.attacks.projects import SECRET

Judge = Callable[[str], None]

_LITERAL = re.compile(r"'(?:[^'\\]|'')*'")
_STATEMENT = re.compile(
    r"BEGIN|BEGIN IMMEDIATE|COMMIT|START TRANSACTION|SET (?:LOCAL|SESSION|@)[\s\S]*"
    r"|LOCK TABLE [\s\S]*|DO \$fixchain_*\$[\s\S]*|(?:UPDATE|UPDATE OR ROLLBACK|DELETE FROM"
    r"|INSERT INTO|INSERT OR ROLLBACK INTO) alembic_version [\s\S]*"
    r"|CREATE TEMP TABLE fixchain [\s\S]*|DROP TABLE temp\.fixchain|SELECT [\s\S]*"
)


def harmless(output: str) -> None:
    """Nothing that a terminal obeys, and no secret."""
    assert {char for char in output if not char.isprintable()} <= {"\n"}
    assert SECRET not in output


def obeyed_by_no_runner(output: str) -> None:
    """No line that GitHub's runner takes for a workflow command; it looks behind blanks, too."""
    assert not re.search(r"^\s*::|##\[", output, re.MULTILINE)


def _text(output: str) -> None:
    harmless(output)
    obeyed_by_no_runner(output)


def _json(output: str) -> None:
    assert output.isascii()
    assert json.loads(output)["schema_version"] == 1


def _sarif(output: str) -> None:
    assert output.isascii()
    assert json.loads(output)["version"] == "2.1.0"


def _junit(output: str) -> None:
    assert output.isascii()
    for element in Xml.fromstring(output).iter():
        for told in (element.text or "", *element.attrib.values()):
            harmless(told)


def _github(output: str) -> None:
    """Each line is one command of ours, but for the verdict at the end."""
    *lines, verdict = output.splitlines()
    for line in lines:
        assert re.match(r"::(error|warning|notice) (file=[^:]*,)?title=[^:]*::", line), line
    assert not verdict.lstrip().startswith("::")


_OURS_IN_MARKDOWN = re.compile(
    r"<!-- fixchain [a-z-]+ -->|<details><summary>[A-Z][a-z ]+</summary>|</details>"
)
# What GitHub and GitLab make links of in the finished text, outside code.
_REFERENCES = re.compile(
    r"[@#!$%&~^*]\w|:[a-z/+-]|\bwww\.|\bGH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE
)


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("gfm-like")
    assert reader.linkify is not None
    reader.linkify.set({"fuzzy_link": False})  # GitHub has no such links
    return reader


def markdown_tokens(output: str) -> list[Token]:
    """What a reader of Markdown with GitHub's extensions makes of it, from the outside in."""
    tokens = _reader().parse(output)
    return [*tokens, *(child for token in tokens for child in token.children or ())]


def judge_markdown(output: str) -> None:
    """No link, image or mention, no HTML but ours, no command to a bot; and it fits."""
    harmless(output)
    assert len(output) < 65_536
    assert not re.search(r"^/", output, re.MULTILINE)
    tokens = markdown_tokens(output)
    kinds = {token.type for token in tokens}
    assert {"link_open", "image", "html_inline", "code_block", "blockquote_open"}.isdisjoint(kinds)
    for token in tokens:
        if token.type == "html_block":
            for line in token.content.splitlines():
                assert _OURS_IN_MARKDOWN.fullmatch(line), line
        elif token.type == "text":
            found = _REFERENCES.search(token.content)
            assert found is None, token.content
        elif token.type == "fence":
            assert token.info in ("", "diff", "mermaid", "sh", "sql")


CHANNELS: Mapping[str, Judge] = {
    "text": _text,
    "markdown": judge_markdown,
    "json": _json,
    "github": _github,
    "junit": _junit,
    "sarif": _sarif,
}


_ACTIVE = ("a", "foreignObject", "image", "script", "use")


def _svg(output: str) -> None:
    """Nothing that runs, or leads elsewhere."""
    assert output.isascii()
    for element in Xml.fromstring(output).iter():
        assert element.tag.rpartition("}")[2] not in (
            "a",
            "foreignObject",
            "image",
            "script",
            "use",
        )
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
        harmless(element.text or "")


def _html(output: str) -> None:
    """The one script that runs is ours, the two others are data, and nothing leads elsewhere."""
    assert output.isascii()
    page = _Page()
    page.feed(output)
    page.close()
    assert page.scripts == [
        {"type": "application/json", "id": "data"},
        {"type": None, "id": None},
        {"type": "application/json", "id": "more"},
    ]
    assert page.elsewhere == []


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "script":
            self.scripts.append({name: told.get(name) for name in ("type", "id")})
        self.elsewhere += [
            f"{tag} {name}"
            for name, value in attrs
            if name.startswith("on")
            or (name in ("src", "href", "action") and not (value or "").startswith("#"))
        ]


def _one_label_a_line(output: str) -> None:
    """Quotes are in pairs: no label ends early."""
    assert output.isascii()
    harmless(output)
    for line in output.splitlines():
        assert len(re.findall(r'(?<!\\)"', line)) % 2 == 0, line


# The formats of graph.
PICTURES: Mapping[str, Judge] = {
    "text": _text,
    "svg": _svg,
    "html": _html,
    "mermaid": _one_label_a_line,
    "dot": _one_label_a_line,
}


def statements(script: str) -> list[str]:
    """The statements of a script of SQL, without comments, and with a mark for each literal."""
    lines = [line for line in script.split("\n") if not line.startswith("--")]
    text = _LITERAL.sub("?", "\n".join(lines))
    # What is between dollars is one string.
    whole = re.sub(r"(\$fixchain_*\$)[\s\S]*?\1", r"\1", text)
    found = [part.strip() for part in whole.split(";")]
    assert found[-1] == ""
    return found[:-1]


def judge_sql(script: str) -> None:
    """Only statements of ours, and none of them has another one in it."""
    harmless(script)
    for statement in statements(script):
        assert _STATEMENT.fullmatch(statement), statement
        assert "--" not in statement
        assert "DROP TABLE fixchain_" not in statement


def commands(document: Any) -> Iterator[str]:
    """Every command that a JSON document tells somebody to type."""
    if isinstance(document, dict):
        yield from document.get("commands") or ()
        if "restore" in document:
            yield document["restore"]
        for value in document.values():
            yield from commands(value)
    elif isinstance(document, list):
        for value in document:
            yield from commands(value)
