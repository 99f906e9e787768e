"""Quoting for other programs, each in its own language; no other module quotes text.

Ids, rows, paths, refs, messages and settings come from other people. Everything that is printed or
written for a program is quoted by the function for its language, so that nothing in it ends a line,
begins an option or a statement, or controls a terminal.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The placeholders in commands that ``Tools`` fill in.
PLACEHOLDER = re.compile(r"\{(alembic|fixchain|databases|own|named|asked|how|program|group)\}")
_TYPOGRAPHY = {ord("“"): '"', ord("”"): '"', ord("…"): "...", ord("→"): "->", ord("’"): "'"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NO_WORD = "\ufffd"  # no shell accepts a NUL, or half of a character
_SPECIAL_IN_MERMAID = '#"`;&<>\\'  # a backtick begins Markdown

# Most ids match.
_LIKE_A_COMMIT = re.compile(r"(?<!\w)([0-9a-f]{7,64})(?!\w)")

# What GitHub and GitLab look for in the rendered text, where no escape helps: people,
# issues and the like, addresses and emoji.
_LIKE_A_REFERENCE = re.compile(
    r"(?<=[@#!$%&~^*])(?=\w)|(?<=:)(?=[a-z/+-])|(?<=\bwww)(?=\.)|(?<=\bGH-)(?=\d)", re.IGNORECASE
)

# Lists, headings and commands to bots begin with these.
_LIKE_A_BLOCK = re.compile(r"^(?:(\d+)(?=[.)](?:\s|$))|(?=[-+=:/]))")
_SPECIAL_IN_MARKDOWN = re.compile(r"[\\`*\[\]<>&~#@!]|(?<![^\W_])_|_(?![^\W_])")
_BREAK = "\u200b"  # not printable, so no message contains it


class Unspeakable(ValueError):
    """A text cannot be written safely in a language; the message says what it contains."""


# --- Terminals, XML, SARIF, and lines of any other text -------------------------------------------
def printable(text: str) -> str:
    """Text on one line, with escapes for what a terminal would obey or could not show."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    form = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _ESCAPES.get(char) or (form if code < 0x10000 else f"\\U{code:08x}")


def plain_ascii(text: str) -> str:
    """A sentence with plain quotes and dashes instead of typographic ones."""
    return text.translate(_TYPOGRAPHY)


def sarif_text(text: str) -> str:
    """A message for SARIF, in which braces would be placeholders."""
    return printable(text).replace("{", "{{").replace("}", "}}")


# --- HTML, SVG, Mermaid and Graphviz's DOT, all of them in ASCII ----------------------------------
def markup(text: str) -> str:
    """Text on one line, for an element or a quoted attribute of HTML or XML."""
    return _references(printable(text), "&<>\"'", "&#{};")


def json_in_html(document: Any) -> str:
    """A document for a ``script`` element, which no text in it can end."""
    import json  # ordinary text does not need it

    compact = json.dumps(document, separators=(",", ":"))
    return re.sub("[<>&\x7f]", lambda found: f"\\u{ord(found[0]):04x}", compact)


def mermaid_string(lines: Iterable[str]) -> str:
    """Lines of a label in double quotes, with Mermaid's own references for special characters."""
    escaped = (_references(printable(line), _SPECIAL_IN_MERMAID, "#{};") for line in lines)
    return '"{}"'.format("<br>".join(escaped))


def dot_string(lines: Iterable[str]) -> str:
    """Lines of a label in double quotes; Graphviz resolves the references of HTML."""
    escaped = (_references(printable(line), '&<>"\\', "&#{};") for line in lines)
    return '"{}"'.format("\\n".join(escaped))


def _references(text: str, special: str, form: str) -> str:
    return "".join(
        form.format(ord(char)) if char in special or char > "~" else char for char in text
    )


# --- Markdown, as GitHub and GitLab read it -------------------------------------------------------
def markdown(text: str, *, begins: bool = True) -> str:
    """Text on one line that stays text: it makes no markup, HTML, link, mention or reference.

    Text that looks like the hash of a commit is shown as code, because GitHub would link it.

    Args:
        text: any text.
        begins: whether it may be at the beginning of a line.
    """
    parts = _LIKE_A_COMMIT.split(printable(text).strip())
    return "".join(
        f"`{part}`" if at % 2 else _inert(part, begins and not at) for at, part in enumerate(parts)
    )


def _inert(text: str, begins: bool) -> str:
    text = _SPECIAL_IN_MARKDOWN.sub(r"\\\g<0>", _LIKE_A_REFERENCE.sub(_BREAK, text))
    if begins:
        text = _LIKE_A_BLOCK.sub(r"\1\\", text)
    return text.replace(_BREAK, "&#8203;").replace("|", "&#124;").replace("$", "&#36;")


def markdown_code(text: str) -> str:
    """A code span, also for a cell of a table; empty for nothing."""
    shown = printable(text).strip()
    if not shown or "|" in shown:  # it would end the cell
        return markdown(shown)
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def markdown_fence(lines: Iterable[str], language: str = "") -> list[str]:
    """The lines of a code block, which no line can end and in which bots find no command."""
    shown = [printable(line) for line in lines]
    ticks = "`" * max(3, *(_longest_run(line) + 1 for line in shown), 3)
    return [f"{ticks}{language}", *(f" {s}" if s.startswith("/") else s for s in shown), ticks]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


# --- JSON -----------------------------------------------------------------------------------------
def json_document(document: Any) -> str:
    """A document in ASCII, which any encoding can carry, with a line end."""
    import json

    # DEL is the only control character that json.dumps does not escape.
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n"


# --- GitHub's workflow commands -------------------------------------------------------------------
def annotation(text: str) -> str:
    """The message of a workflow command; its line ends are kept."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def annotation_property(text: str) -> str:
    """The value of a property of a workflow command."""
    return annotation(text).replace(":", "%3A").replace(",", "%2C")


def log_text(text: str) -> str:
    """Lines for people in the log of a workflow; none is a workflow command."""
    return re.sub(r"^([^\S\n]*:)(?=:)", r"\1 ", text, flags=re.MULTILINE).replace("##[", "# #[")


# --- YAML -----------------------------------------------------------------------------------------
def yaml_string(text: str) -> str:
    """Any text as a double-quoted scalar on one line."""
    return '"' + "".join(map(_yaml_char, text)) + '"'


def _yaml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


# --- Shells ---------------------------------------------------------------------------------------
def word(text: str) -> str:
    """A text as one word of a command for bash, zsh or ksh.

    It may be the value of an option. It contains no control character and no placeholder.
    """
    if not text.isprintable():
        return f"$'{''.join(map(_typed_char, text))}'"
    quoted = f"'{text}'" if text.startswith("=") and "'" not in text else shlex.quote(text)
    return PLACEHOLDER.sub(r"{''\1}", quoted)


def _typed_char(char: str) -> str:
    if char in "'\\":
        return f"\\{char}"
    if char.isprintable() and char != "{":
        return char
    try:
        data = char.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = b"\0"
    return _NO_WORD if data == b"\0" else "".join(f"\\{byte:03o}" for byte in data)


def words(texts: Iterable[str]) -> str:
    """Several words with spaces between them."""
    return " ".join(map(word, texts))


def option(name: str, value: str) -> str:
    """An option and its value, which cannot be read as another option."""
    return f"{name}{'=' if value.startswith('-') else ' '}{word(value)}"


def operand(text: str) -> str:
    """A positional word of a command, which cannot be read as an option."""
    return f"-- {word(text)}" if text.startswith("-") else word(text)


def path_word(path: str) -> str:
    """A path as a word that cannot be read as an option."""
    return word(os.path.join(os.curdir, path) if path.startswith("-") else path)


def git_program(path: str | os.PathLike[str]) -> str:
    """The command ``git``, in the work tree around a path if the working directory is not in it."""
    start = _start_of_git(os.path.realpath(path))
    return "git" if start == os.curdir else f"git -C {path_word(start)}"


def git_word(path: str | os.PathLike[str]) -> str:
    """A path as a word of a Git command."""
    return path_word(_git_path(path))


def git_version(ref: str, path: str | os.PathLike[str]) -> str:
    """A file in a commit, as a word of a Git command."""
    name = _git_path(path)
    return word(f"{ref}:{name if name.startswith(os.pardir) else os.path.join(os.curdir, name)}")


def _git_path(path: str | os.PathLike[str]) -> str:
    """A path relative to where ``git_program`` starts: Git follows no links."""
    real = os.path.realpath(path)
    return os.path.relpath(real, _start_of_git(real))


def _start_of_git(real: str) -> str:
    """The directory in which Git has to start: in a submodule, for example, the top of that."""
    top, here = (_work_tree_around(each) for each in (real, os.path.realpath(os.curdir)))
    return os.curdir if top in ("", here) else os.path.relpath(top)


def _work_tree_around(real: str) -> str:
    """The top of the innermost work tree around a path; ``""`` if there is none."""
    around = map(str, (real, *Path(real).parents))
    return next((each for each in around if os.path.exists(os.path.join(each, ".git"))), "")


def git_words(paths: Iterable[Path]) -> str:
    """Paths as words of a Git command, without those within another."""
    real = dict.fromkeys(Path(os.path.realpath(each)) for each in paths)
    return " ".join(git_word(each) for each in real if real.keys().isdisjoint(each.parents))


def typed_path(path: str | os.PathLike[str]) -> str:
    """A path as a user would type it: relative if it is below the working directory."""
    return path_word(os.path.abspath(path).removeprefix(os.path.join(os.getcwd(), "")))


def ref_word(ref: str) -> str:
    """A Git revision as a word that cannot be read as an option."""
    return word(f"refs/heads/{ref}" if ref.startswith("-") else ref)


def script_words(*texts: str) -> str:
    """Words with spaces between them, for a file that any POSIX shell can run."""
    return shlex.join(texts)


# --- SQL ------------------------------------------------------------------------------------------
def sql_comment(text: str) -> str:
    """A comment on one line, for any client."""
    return f"-- {printable(plain_ascii(text))}".rstrip()


def sql_literal(text: str) -> str:
    """A string, in the form that means the same to every client and under every setting.

    Raises:
        Unspeakable: it is not printable ASCII without backslashes.
    """
    if not (text.isascii() and text.isprintable() and "\\" not in text):
        raise Unspeakable(f"{printable(text)} has more than printable ASCII, or a backslash")
    return "'{}'".format(text.replace("'", "''"))


def sql_identifier(quoted: str) -> str:
    """A name that the dialect has quoted, for a script.

    Raises:
        Unspeakable: it contains a control character.
    """
    if not quoted.isprintable():
        raise Unspeakable(f"the name {printable(quoted)} holds a control character")
    return quoted
