"""``graph``: what each format shows, read by parsers that are not ours, and where it is written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import warnings
from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch
from xml.etree import ElementTree

import click
import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.report import Style, picture_names, render
from flask_chainfix.report.pictures.layout import PictureNode, lay_out
from flask_chainfix.report.pictures.svg import HEIGHT, OVERFLOW, tracks
from flask_chainfix.report.results import Drawn
from tests.browsers import mermaid_script
from tests.commands import Done, fixchain, flask
from tests.disk import environment
from tests.nightly import examples, first_of
from tests.repositories import Repository
from tests.results import checked
from tests.stamped import sql
from tests.support import chain, migration, rev

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SVG = "{http://www.w3.org/2000/svg}"
_FORK = ("a", "b <- a", "c <- b", "d <- b")
# How an earlier picture begins.
OLD = '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description">'
HOSTILE = "</script><b>\"quoted\" 'single' & \u202eright-to-left\u202c `tick` #35; \\n %% {x} -->"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain with two heads, a label and a dependency."""
    environment(tmp_path / "migrations", *_FORK, "e  @reports  +b")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _graph(*options: str | Path) -> Done:
    return fixchain("graph", *options)


def _written(output_format: str) -> str:
    done = _graph("--format", output_format)
    assert done.exit_code == 0, done
    return done.stdout


def _hostile_project(place: Path) -> None:
    """Two heads whose ids and messages are to break out of whatever holds them."""
    environment(place / "migrations", "a")
    for number, text in enumerate((HOSTILE, f"{HOSTILE} again", "word " * 4_000)):
        source = f'{text!r}\nrevision = {f"{number} {text[:60]}"!r}\ndown_revision = "a"\n'
        (place / "migrations/versions" / f"x{number}.py").write_text(source, "utf-8")


# --- What is shown -------------------------------------------------------------------------------


def test_the_terminal_shows_marks(project: Path) -> None:
    shown = _written("text")
    assert "✗ c (head, FC102)  add c" in shown
    assert "e (base, head, @reports, needs b)" in shown
    assert re.search(r"Current state  5 revisions[\s\S]*Expected state  strategy linear", shown)
    assert re.search(r"◆ d \(head, was on b\)", shown)


def test_a_healthy_chain_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a", "b <- a")
    monkeypatch.chdir(tmp_path)
    shown = _written("text")
    assert "The chain  2 revisions" in shown
    assert "state" not in shown


@pytest.mark.parametrize("output_format", picture_names())
def test_what_cannot_be_read_at_all_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output_format: str
) -> None:
    environment(tmp_path / "migrations", "a")
    (tmp_path / "migrations/versions/a_add_a.py").unlink()
    monkeypatch.chdir(tmp_path)
    done = _graph("--format", output_format, "--output", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "there are no migrations in" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unreadable_migration_is_drawn(project: Path) -> None:
    (project / "migrations/versions/broken.py").write_text("revision = (")
    assert "broken.py (unreadable)" in _written("text")
    assert "broken.py" in _written("html")


@pytest.mark.parametrize(
    "fault",
    first_of(
        [
            "FC103-missing-down-revision",
            "FC104-duplicate-revision",
            "FC105-cycle",
            "FC106-unreadable-migration",
            "FC113-duplicate-branch-label",
        ]
    ),
)
def test_every_kind_of_fault_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    place = tmp_path / "migrations"
    shutil.copytree(Path(__file__).parent / "corpus" / fault, place)
    (place / "env.py").touch()
    monkeypatch.chdir(tmp_path)
    shown = {name: _written(name) for name in picture_names()}
    drawn = {group.get("class") for group in ElementTree.fromstring(shown["svg"]).iter(f"{SVG}g")}
    (data,) = re.findall(r'id="data">(.*?)</script>', shown["html"])
    tones = {row[1] for view in json.loads(data)["views"] for row in view["rows"]}
    assert "broken" in drawn
    assert "broken" in tones
    assert "✗" in shown["text"]
    assert ":::broken" in shown["mermaid"]


def test_in_an_app(sample: Path) -> None:
    flask("db", "upgrade", "2ca607eff9c8", cwd=sample)
    done = flask("db", "fixchain", "graph", cwd=sample)
    assert done.exit_code == 0, done
    assert re.search(r"2ca607eff9c8 \(base, the app's database\)", done.stdout)
    # The planned repair has the database stand where it stands.
    assert done.stdout.count("the app's database") >= 2


def test_databases_stand_at_their_revisions(project: Path) -> None:
    url = f"sqlite:///{project / 'one.db'}"
    sql(url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    sql(url, "INSERT INTO alembic_version VALUES ('c')")
    done = _graph("--database", url, "--format", "svg")
    root = ElementTree.fromstring(done.stdout)
    rows = [_words(group) for group in root.iter(f"{SVG}g") if group.get("class") == "broken"]
    assert any(row[0] == "c" and any("one.db" in word for word in row) for row in rows), rows


def test_mine_and_what_main_has(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(repository.top / "migrations", "a", "b <- a")
    repository.commit(day=1)
    repository.branch("mine")
    versions = repository.top / "migrations/versions"
    (versions / "c.py").write_bytes(migration(rev("c <- b")))
    (versions / "b_add_b.py").write_bytes(migration(rev("b <- a").doing("pass")))
    repository.commit(day=2)
    repository.switch("main")
    (versions / "d.py").write_bytes(migration(rev("d <- b")))
    repository.commit(day=3)
    repository.switch("mine")
    monkeypatch.chdir(repository.top)
    shown = _graph("--against", "main").stdout
    assert "● c (head, mine)" in shown
    assert "○ d (only on main)" in shown
    assert "b (differs from main)" in shown
    page = _graph("--against", "main", "--format", "html").stdout
    assert '"author":"a"' in page
    assert 'data-filter="mine"' in page
    assert _graph("--against", "nowhere").exit_code == 3
    assert _graph("--against", "main", "--no-git").exit_code == 2


# --- DOT and Mermaid, read by others -------------------------------------------------------------


def _parsed() -> pydot.Dot:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses old names of pyparsing's
        graphs = pydot.graph_from_dot_data(_written("dot"))
    assert graphs is not None
    assert len(graphs) == 1
    return graphs[0]


def test_pydot_reads_the_dot(project: Path) -> None:
    now, then = _parsed().get_subgraphs()
    names = {
        node.get_name(): str(node.get("label")).strip('"').split("\\n")[0]
        for node in now.get_nodes() + then.get_nodes()
    }
    lines = {
        (names[str(edge.get_source())], names[str(edge.get_destination())], edge.get("style"))
        for edge in now.get_edges()
    }
    solid = {("a", "b", None), ("b", "c", None), ("b", "d", None)}
    assert lines == solid | {("b", "e", "dashed")}
    assert set(names.values()) == {"a", "b", "c", "d", "e"}


def test_pydot_reads_hostile_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hostile_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    first, *_ = _parsed().get_subgraphs()
    assert len(first.get_nodes()) == 4


def test_mermaid_shows_long_chains_too(tmp_path: Path) -> None:
    """GitHub refuses more than 500 edges, or 50,000 characters."""
    names = [f"r{number}" for number in range(600)]
    environment(tmp_path / "migrations", names[0], *(f"{b} <- {a}" for a, b in pairwise(names)))
    drawn = fixchain("-d", tmp_path / "migrations", "graph", "--format", "mermaid").stdout
    assert drawn.count("-->") < 10
    assert "r0<br>" in drawn
    assert "r599<br>" in drawn


@pytest.mark.parametrize(("place", "edges"), first_of([("hostile", 3), ("plain", 4)]))
def test_mermaid_reads_what_we_write(
    browser: Browser, tmp_path: Path, place: str, edges: int
) -> None:
    environment(tmp_path / "plain/migrations", *_FORK, "e  @reports  +b")
    _hostile_project(tmp_path / "hostile")
    page = browser.new_page()
    page.add_script_tag(path=mermaid_script())
    done = fixchain("-d", tmp_path / place / "migrations", "graph", "--format", "mermaid")
    found = page.evaluate(
        """async (text) => {
            await mermaid.parse(text);
            const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
            const { nodes, edges } = diagram.db.getData();
            return [diagram.type, nodes.map((node) => node.label), edges.length];
        }""",
        done.stdout,
    )
    kind, labels, lines = found
    assert kind.startswith("flowchart")
    assert lines >= edges
    assert len(labels) >= edges + 1
    with pytest.raises(Exception, match="Parse error"):
        page.evaluate("(text) => mermaid.parse(text)", f"{done.stdout} [[")
    page.close()


# --- SVG -----------------------------------------------------------------------------------------


def _words(group: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in group.iter(f"{SVG}text")]


def test_the_svg_says_what_it_shows(project: Path) -> None:
    root = ElementTree.fromstring(_written("svg"))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title description"
    said = {part.get("id"): part.text or "" for part in root if part.get("id")}
    assert said["title"].startswith("The migration chain is broken: 2 heads")
    assert "heads: c, d, e" in said["description"]
    titles = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "title"]
    assert titles == ["Current state", "Expected state"]
    assert "prefers-color-scheme: dark" in "".join(style.text or "" for style in root)
    assert _written("svg") == _written("svg")


def test_hostile_text_stays_text_in_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hostile_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = _written("svg")
    assert text.isascii()
    root = ElementTree.fromstring(text)
    known = {"svg", "title", "desc", "style", "rect", "g", "text", "path", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    assert any("</script><b>" in (part.text or "") for part in root.iter(f"{SVG}text"))
    assert "\\u202e" in "".join(root.itertext())


def test_a_thousand_revisions_are_folded_in_less_than_a_second() -> None:
    snapshot = chain("r0", *(f"r{number} <- r{number - 1}" for number in range(1, 1_000)))
    drawn = Drawn(checked=checked(snapshot))
    start = time.process_time()
    root = ElementTree.fromstring(render("svg", drawn, Style()))
    assert time.process_time() - start < 1
    rows = [group for group in root.iter(f"{SVG}g") if group.get("class") in ("plain", "fold")]
    assert [_words(row)[0] for row in rows] == ["r999", "r998", "996 revisions", "r1", "r0"]


@st.composite
def _graphs(draw: st.DrawFn) -> list[PictureNode]:
    nodes: list[PictureNode] = []
    for number in range(draw(st.integers(1, 14))):
        known = st.integers(0, number - 1) if number else st.nothing()
        parents = draw(st.sets(known, max_size=3)) if number else set()
        nodes.append(PictureNode(f"n{number}", tuple(f"n{p}" for p in sorted(parents)), "", ("x",)))
    return nodes


@given(_graphs())
@settings(max_examples=examples(30))
def test_the_lines_lead_from_each_revision_to_its_parents(nodes: list[PictureNode]) -> None:
    """Follow the drawn lines downwards, as a person does, and know nothing of how they came."""
    layout = lay_out(nodes, OVERFLOW)
    lines: dict[tuple[int, int], list[tuple[int, int]]] = {}
    places: dict[tuple[int, int], str] = {}
    top = 0
    for row, track in zip(layout.rows, tracks(layout), strict=True):
        top += track.gap
        places[track.x, top + HEIGHT // 2] = nodes[row.node].key
        for start, end in _segments(track.lines, places, top, track.x):
            lines.setdefault(start, []).append(end)
        top += track.height
    for place, key in places.items():
        found, pending = set(), list(lines.get(place, ()))
        while pending:
            at = pending.pop()
            if at in places:
                found.add(places[at])
            else:
                pending.extend(lines.get(at, ()))
        parents = next(node.parents for node in nodes if node.key == key)
        assert found == set(parents), (key, found)


def _segments(
    path: str, places: dict[tuple[int, int], str], top: int, x: int
) -> Sequence[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each line begins and ends; one that runs through a node ends and begins there."""
    found = []
    for move in re.findall(r"M(\d+) (\d+)(?:V(\d+)|C\d+ \d+ \d+ \d+ (\d+) (\d+))", path):
        x1, y1, down, x2, y2 = (int(part) if part else 0 for part in move)
        start = (x1, top + y1)
        end = (x1, top + down) if move[2] else (x2, top + y2)
        middle = (x, top + HEIGHT // 2)
        if x1 == x and start[1] < middle[1] < end[1] and move[2]:
            found += [(start, middle), (middle, end)]
        else:
            found.append((start, end))
    return found


# --- The page, without a browser -----------------------------------------------------------------


def test_the_policy_allows_the_two_texts_and_nothing_else(project: Path) -> None:
    page = _written("html")
    assert page.isascii()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    (css,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = {
        name: f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in (("style-src", css), ("script-src", script))
    }
    assert rules == {
        "default-src": "'none'",
        **digests,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert " style=" not in page
    assert not re.search(r'(?:src|href)="', page)


# --- Where it is written -------------------------------------------------------------------------


def test_a_file_is_written_in_one_step(project: Path) -> None:
    target = project / "chain.svg"
    target.write_text(OLD)
    target.chmod(0o640)
    done = _graph("--format", "svg", "--output", "chain.svg")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "written to chain.svg\n")
    ElementTree.fromstring(target.read_text())
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in project.iterdir()) == ["chain.svg", "migrations"]


def test_a_failed_write_leaves_the_old_file(project: Path) -> None:
    target = project / "chain.svg"
    target.write_text(OLD)
    with patch.object(os, "replace", side_effect=OSError(28, "No space left on device")):
        done = _graph("--format", "svg", "--output", "chain.svg")
    assert done.exit_code == 3
    assert "chain.svg cannot be written: No space left on device" in done.stderr
    assert target.read_text() == OLD
    assert sorted(path.name for path in project.iterdir()) == ["chain.svg", "migrations"]


def test_a_link_is_followed(project: Path) -> None:
    (project / "real.svg").write_text(OLD)
    (project / "link.svg").symlink_to("real.svg")
    assert _graph("--format", "svg", "--output", "link.svg").exit_code == 0
    assert (project / "link.svg").is_symlink()
    assert len((project / "real.svg").read_text()) > len(OLD)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("migrations/versions/a_add_a.py", "its name is that of a Python file"),
        ("migrations/versions/new.py", "its name is that of a Python file"),
        ("migrations/versions/chain.html", "it is, or would be, a migration"),
        ("link.html", "its name is that of a Python file"),
        ("migrations/env.py", "its name is that of a Python file"),
        ("app.py", "its name is that of a Python file"),
        ("README.md", "it exists, and is not an earlier output of fixchain"),
        ("index.html", "it exists, and is not an earlier output of fixchain"),
        ("migrations", "it is a directory"),
        ("missing/chain.html", "No such file or directory"),
    ],
)
def test_what_is_not_overwritten(project: Path, path: str, why: str) -> None:
    (project / "link.html").symlink_to("migrations/versions/a_add_a.py")
    (project / "app.py").write_text("app = 1")
    (project / "README.md").write_text("# App")
    (project / "index.html").write_text("<!doctype html><title>App</title>")
    before = {each: each.read_bytes() for each in project.rglob("*") if each.is_file()}
    done = _graph("--format", "html", "--output", path)
    assert done.exit_code == 3
    assert f"{path} cannot be written: {why}" in done.stderr
    assert {each: each.read_bytes() for each in project.rglob("*") if each.is_file()} == before


def test_it_is_opened(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def launch(url: str) -> int:
        opened.append(Path(url))
        return 0

    monkeypatch.setattr(click, "launch", launch)
    monkeypatch.setenv("TMPDIR", str(project))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert _graph("--format", "svg", "--open").exit_code == 0
    assert _graph("--format", "html", "--output", "chain.html", "--open").exit_code == 0
    temporary, named = opened
    assert temporary.suffix == ".svg"
    assert temporary.parent.stat().st_mode & 0o077 == 0
    assert named == project / "chain.html"
    assert _graph("--open").exit_code == 2
    assert _graph("--format", "svg", "--open", "--output", "-").exit_code == 2
    assert _graph("--format", "svg", "--output", "-").stdout.startswith("<svg")


def test_nothing_can_open_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "launch", lambda url: 1)
    done = _graph("--format", "svg", "--output", "a.svg", "--open")
    assert done.exit_code == 0
    assert "open it in a browser by hand" in done.stderr
