"""Pages that are made while the site is built, so that nothing is written down twice.

The pages of the findings come from the rules, the tables of options from the commands, and two
pages from files of the repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from flask_chainfix.cli.groups import main

ROOT = Path(__file__).parent.parent
FAMILIES = {
    "FC1": "The chain",
    "FC2": "What the migrations do to the schema",
    "FC3": "Where databases stand",
    "FC4": "Around the chain",
    "FC5": "What others have already",
}
COPIES = {"project/security.md": ".github/SECURITY.md", "project/changelog.md": "CHANGELOG.md"}
_OPTIONS = re.compile(r"^<!-- options: ([\w-]+) -->$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each finding into the navigation."""
    assert config.nav is not None
    families = [
        {FAMILIES[family]: [{f"{rule['code']} {rule['name']}": _path(rule)} for rule in rules]}
        for family, rules in _by_family()
    ]
    for section in config.nav:
        if "Findings" in section:
            section["Findings"] = [section["Findings"], *families]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the findings, their index, and the copies."""
    for family, rules in _by_family():
        for rule in rules:
            files.append(File.generated(config, _path(rule), content=_page(rule, family)))
    files.append(File.generated(config, "findings/index.md", content=_index()))
    for page, source in COPIES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the options of a command where its page asks for them."""
    return _OPTIONS.sub(lambda found: _options(found[1]), markdown)


@cache
def _by_family() -> list[tuple[str, list[dict[str, Any]]]]:
    """What ``explain`` tells, in the words of an app."""
    programs = Path(sys.executable).parent
    words = ["--app", "sample_app", "db", "fixchain", "explain", "--format", "json"]
    active = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [programs / "flask", *words]
    done = subprocess.run(command, cwd=ROOT, env=active, check=True, capture_output=True)
    rules = json.loads(done.stdout)["rules"]
    return [(family, list(each)) for family, each in groupby(rules, lambda rule: rule["code"][:3])]


def _path(rule: dict[str, Any]) -> str:
    return f"findings/{rule['code']}.md"


def _page(rule: dict[str, Any], family: str) -> str:
    files, _, commands = rule["example"].rpartition("\n\n")
    text = "".join(map(str, rule.values()))
    named = dict.fromkeys(re.findall(r"flask db fixchain ([\w-]+)", text))
    more = ", ".join(f"[{name}](../commands/{name}.md)" for name in named)
    return f"""# {rule["code"]} {rule["name"]}

*{rule["severity"]}* · [{FAMILIES[family]}](index.md)

{rule["summary"]}

{rule["meaning"]}

## What breaks

{_sentence(rule["breaks"])}

## How it happens

{rule["origin"]}

## How to repair it

{rule["repair"]}

## Example

{_fenced("python", files)}{_fenced("sh", commands)}
More on {more}.
"""


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n\n" if text else ""


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _index() -> str:
    parts = [(Path(__file__).parent / "findings.md").read_text("utf-8")]
    for family, rules in _by_family():
        rows = (
            f"| [{rule['code']}]({rule['code']}.md) | {rule['name']} | {rule['severity']}"
            f" | {rule['summary']} |"
            for rule in rules
        )
        parts += [f"\n## {FAMILIES[family]}\n", "| code | name | severity | what it is |"]
        parts += ["|---|---|---|---|", *rows]
    return "\n".join(parts)


def _options(name: str) -> str:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    rows = [
        f"| {_code(option)} | {_meaning(option)} |"
        for option in command.params
        if isinstance(option, click.Option)
    ]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _code(option: click.Option) -> str:
    names = ", ".join(option.opts)
    value = "" if option.is_flag else f" {option.metavar or option.name or ''}"
    if option.metavar is None and isinstance(option.type, click.Choice):
        value = " " + "|".join(map(str, option.type.choices))
    return f"`{names}{value}`"


def _meaning(option: click.Option) -> str:
    default = option.default if option.show_default else ""
    text = f"{option.help or ''} {f'[default: {default}]' if default else ''}"
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")
