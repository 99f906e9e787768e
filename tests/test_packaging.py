"""What is published: links that work elsewhere, one version, pinned actions, pages for ``man``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import command_of
from tests.readme import PAGES, README, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
VERSION = PROJECT["project"]["version"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
SOURCE = PROJECT["project"]["urls"]["Source"]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_version_is_the_same_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", changes, re.MULTILINE)
    assert released[0] == VERSION
    page = (ROOT / "docs/pages/guides/ci.md").read_text("utf-8")
    assert {*re.findall(r"(?:rev: |fixchain@)v(\S+)", page)} == {VERSION}


def test_the_readme_leads_to_the_files_of_its_release_from_everywhere() -> None:
    """The substitutions of the build, on links of which each leads to a file."""
    text = README.read_text("utf-8")
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    shown = text
    for each in hook["substitutions"]:
        to = each["replacement"].replace("$HFPR_VERSION", VERSION)
        shown = re.sub(each["pattern"], to, shown)
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    images = "https://raw.githubusercontent.com" + SOURCE.removeprefix("https://github.com")
    assert any(image for image, _ in links)
    for image, link in links:
        if link.startswith(("https:", "#")):
            assert f"]({link})" in shown
            continue
        assert (ROOT / link).is_file(), link
        assert f"]({images if image else f'{SOURCE}/blob'}/v{VERSION}/{link})" in shown
    assert not re.search(r"\]\((?!https:|#)", shown)


def test_every_address_is_of_the_same_repository() -> None:
    urls = PROJECT["project"]["urls"]
    assert all(url.startswith(SOURCE) for url in urls.values())
    (contact,) = read(ROOT / ".github/ISSUE_TEMPLATE/config.yml")["contact_links"]
    assert contact["url"].startswith(SOURCE)
    for page in PAGES:
        named = re.findall(r"https://\S*/flask-chainfix\b", page.read_text("utf-8"))
        assert all(url.startswith(SOURCE) for url in named), page


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.name))
def test_actions_are_pinned(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text("utf-8"))
    for name, comment in used:
        assert name.startswith("./") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name), name
        assert name.startswith("./") or re.fullmatch(r" # v[\d.]+", comment), name


def test_only_the_job_that_publishes_can_and_it_runs_nothing_else() -> None:
    workflow = read(ROOT / ".github/workflows/publish.yml")
    publish = workflow["jobs"]["publish"]
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"]
    assert not [step for step in publish["steps"] if "run" in step]
    assert "secrets" not in (ROOT / ".github/workflows/publish.yml").read_text("utf-8")


@pytest.mark.parametrize("path", [form for form in FORMS if form.name != "config.yml"])
def test_a_form_for_issues_has_what_github_needs(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    asked = [each for each in form["body"] if each["type"] != "markdown"]
    assert len({each["id"] for each in asked}) == len(asked)
    assert all(each["attributes"]["label"] for each in asked)


def test_every_command_has_a_man_page_with_all_its_options(tmp_path: Path) -> None:
    pytest.importorskip("click_man")
    subprocess.run([sys.executable, ROOT / "docs/man.py", tmp_path], check=True)
    pages = {page.name for page in tmp_path.iterdir()}
    assert {"fixchain.1", "fixchain-check.1", "fixchain-catch-up.1"} <= pages
    page = (tmp_path / "fixchain-check.1").read_text("utf-8").replace("\\-", "-")
    for parameter in command_of("check").params:
        assert max(parameter.opts, key=len) in page


def test_only_a_command_has_two_modules_of_one_name() -> None:
    modules: dict[str, list[str]] = {}
    for path in sorted((ROOT / "flask_chainfix").rglob("[!_]*.py")):
        modules.setdefault(path.stem, []).append(path.parent.name)
    again = {name: rooms for name, rooms in modules.items() if len(rooms) > 1}
    assert {tuple(rooms) for rooms in again.values()} == {("cli", "commands")}, again
