"""Findings: one corpus directory for each rule, root causes without their echoes, an oracle."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision, RevisionMap, _revision_illegal_chars
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, all_rules, diagnose, explain
from flask_chainfix.disk.version_locations import read_snapshot
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.environment.surroundings import read_surroundings
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import Finding, Severity
from tests.specimens import CORPUS, SPECIMENS, Specimen, every_name, project, specimen
from tests.strategies_oracle import strong_components
from tests.support import (
    Refused,
    Rev,
    alembic_loads,
    chain,
    headers_of,
    read_directory,
    repaired,
    rev,
    without_file,
    write,
)


def codes(snapshot: Facts) -> list[str]:
    """The codes of all findings."""
    return [finding.code for finding in diagnose(snapshot)]


def of(code: str, snapshot: Facts) -> list[Finding]:
    """The findings of one rule."""
    return [finding for finding in diagnose(snapshot) if finding.code == code]


def only(code: str, snapshot: Facts) -> Finding:
    """The one finding that there is, which must be of this rule."""
    (finding,) = diagnose(snapshot)
    assert finding.code == code
    return finding


# --- The corpus ----------------------------------------------------------------------------------


def read_corpus(directory: Path, settings: Settings | None = None) -> Facts:
    """The chain in a directory; one with ``migrations`` is a project, and read with all of it."""
    if not (directory / "migrations").is_dir():
        return read_directory(directory, settings)
    runtime = open_directory(str(directory / "migrations"))
    snapshot, _ = read_snapshot(runtime.environment)
    return Facts.around(snapshot, surroundings=read_surroundings(runtime))


def found_in(specimen: Specimen, top: Path) -> tuple[tuple[Finding, ...], Path]:
    """What is wrong with a directory of the corpus, and below which path that lies."""
    if not specimen.is_files_alone:
        return project(specimen, top).checked().diagnosis.findings, top / "m"
    intended = frozenset(specimen.expected.get("settings", {}).get("intended_bases", ()))
    # What is expected there names directories, as what uses them does.
    ignored = shutil.ignore_patterns("expected.json", "*.txt")
    shutil.copytree(specimen.directory, top, ignore=ignored, dirs_exist_ok=True)
    snapshot = read_corpus(top, Settings(intended_bases=intended))
    # While the chain itself is broken nothing is said about the schema.
    families = () if specimen.name.startswith("FC1") else tuple(Family)
    return diagnose(snapshot, *families), top


@pytest.mark.parametrize("name", every_name())
def test_corpus(name: str, top: Path) -> None:
    """``expected.json`` says what is wrong with the files beside it, and where."""
    findings, place = found_in(specimen(name), top)
    found = [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "revisions": list(finding.revisions),
            "places": [
                {"path": each.path.relative_to(place).as_posix(), "line": each.line}
                for each in finding.locations
            ],
        }
        for finding in findings
    ]
    assert found == specimen(name).expected["findings"]


def test_every_rule_has_a_directory_in_the_corpus_named_after_it() -> None:
    assert {f"{rule.code}-{rule.name}" for rule in all_rules()} <= set(SPECIMENS)
    for rule in all_rules():
        expected = specimen(f"{rule.code}-{rule.name}").expected["findings"]
        assert rule.code in {finding["code"] for finding in expected}


@pytest.mark.parametrize("name", [name for name in SPECIMENS if name.startswith("healthy")])
def test_alembic_loads_what_the_corpus_calls_healthy(name: str) -> None:
    alembic_loads(read_corpus(CORPUS / name))


# --- Rules and findings as such ------------------------------------------------------------------


def test_rules_are_registered_by_code_and_explain_themselves() -> None:
    rules = all_rules()
    numbers = [rule.code for rule in rules]
    assert numbers == sorted(set(numbers))
    for rule in rules:
        assert rule.explanation
        assert explain(rule).breaks
        assert rule.name == rule.name.lower()


def test_findings_name_what_breaks_and_what_to_do() -> None:
    snapshot = chain("a", "b <- gone", "c <- a", "d <- a", "x <- y", "y <- x")
    findings = diagnose(snapshot)
    assert {finding.code for finding in findings} == {"FC102", "FC103", "FC105"}
    assert all(finding.message and finding.breaks and finding.hint for finding in findings)


def test_errors_come_before_warnings_and_then_by_code() -> None:
    assert codes(chain("a", "b <- a, a", f"{'c' * 33} <- gone", "d <- b", "e <- b")) == [
        "FC102",
        "FC103",
        "FC109",
        "FC112",
    ]


def test_ignored_rules_do_not_report() -> None:
    specs = ("a", "b <- a", "c <- a", "x <- gone")
    assert codes(chain(*specs)) == ["FC102", "FC103"]
    assert codes(chain(*specs, settings=Settings(ignore=frozenset({"FC102"})))) == ["FC103"]


def test_a_chain_without_files_has_no_faults() -> None:
    assert codes(chain()) == []


# --- Several bases and heads ---------------------------------------------------------------------


def test_bases_are_an_error_and_named() -> None:
    (finding,) = of("FC101", chain("a", "b <- a", "z"))
    assert finding.severity is Severity.ERROR
    assert finding.revisions == ("a", "z")
    assert finding.repairable


def test_bases_that_merge_points_join_are_a_warning() -> None:
    finding = only("FC101", chain("a", "z", "m <- a, z"))
    assert finding.severity is Severity.WARNING
    assert finding.revisions == ("a", "z")


def test_one_base_that_no_merge_point_joins_makes_it_an_error_again() -> None:
    (finding,) = of("FC101", chain("a", "z", "m <- a, z", "x"))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    "specs",
    [
        # The lineage that is meant to stand apart may be the larger one as well.
        ("a", "p @payments", "q <- p", "r <- q"),
        ("a", "p /plugin", "q <- p /plugin", "r <- q /plugin"),
        ("a", "p +a"),
        ("b", "p", "q <- p", "r <- q +b"),
        ("a @x", "b @y", "c @z"),
    ],
)
def test_bases_that_are_meant_to_stand_apart(specs: tuple[str, ...]) -> None:
    assert codes(chain(*specs)) == []


def test_intended_bases_of_the_settings_may_be_the_larger_ones() -> None:
    for intended in ({"a"}, {"p"}, {"a", "p"}):
        settings = Settings(intended_bases=frozenset(intended))
        assert codes(chain("a", "p", "q <- p", settings=settings)) == []


def test_the_bases_that_are_left_are_still_reported() -> None:
    (finding,) = of("FC101", chain("a", "stray", "p @payments", "q <- p", "r <- q"))
    assert finding.revisions == ("a", "stray")


def test_two_bases_in_one_of_several_version_locations_are_reported() -> None:
    (finding,) = of("FC101", chain("a", "stray", "p /plugin", "q <- p /plugin", "r <- q /plugin"))
    assert finding.revisions == ("a", "stray")


def test_heads_of_one_lineage_are_reported_together() -> None:
    snapshot = chain("a", "b <- a", "c <- a", "p @payments", "q <- p", "r <- p")
    assert [finding.revisions for finding in of("FC102", snapshot)] == [("b", "c"), ("q", "r")]


def test_intended_lineages_that_merge_with_each_other_stay_apart_from_the_main_one() -> None:
    assert codes(chain("a", "p @payments", "q @quotes", "m <- p, q")) == []


def test_branches_that_each_have_a_label_are_no_second_heads() -> None:
    assert codes(chain("a", "b <- a @main", "f <- a @feature")) == []
    assert codes(chain("a", "b <- a", "f <- a @feature")) == ["FC102"]
    assert codes(chain("a", "b <- a", "e <- a @x", "f <- a @y")) == ["FC102"]
    assert codes(chain("a", "b <- a", "f <- a @feature", "m <- b, f")) == []


def test_a_head_without_a_label_beside_labelled_ones_may_be_the_trunk() -> None:
    specs = ("a", "e <- a @expand", "c <- a @contract", "t <- a", "u <- t")
    finding = only("FC102", chain(*specs))
    assert (finding.severity, finding.repairable) == (Severity.WARNING, False)
    assert finding.revisions == ("c", "e", "u")
    assert finding.message.startswith("u is a head without a branch label")
    # What the hint says makes the chain healthy, either way.
    assert "repair{databases} --attach t=c" in finding.hint
    assert codes(chain("a", "e <- a @expand", "c <- a @contract", "t <- c", "u <- t")) == []
    assert codes(chain("a", "e <- a @expand", "c <- a @contract", "t <- a @trunk", "u <- t")) == []


def test_heads_without_a_label_beside_labelled_ones_should_be_one() -> None:
    snapshot = chain("a", "b <- a", "c <- a", "e <- a @x", "f <- a @y")
    finding = only("FC102", snapshot)
    assert (finding.severity, finding.repairable) == (Severity.ERROR, True)
    assert finding.revisions == ("b", "c")
    assert [finding.severity for finding in diagnose(repaired(snapshot))] == [Severity.WARNING]


def test_a_trunk_that_is_merged_gets_no_advice_that_would_tear_it() -> None:
    specs = ("a", "e <- a @x", "f <- a @y", "p <- a", "q <- a", "m <- p, q")
    assert "--attach" not in only("FC102", chain(*specs)).hint


# --- Root causes, not echoes ---------------------------------------------------------------------


def test_a_missing_parent_is_no_second_head() -> None:
    assert codes(chain("a", "b <- a", "c <- gone", "d <- c")) == ["FC103"]


def test_heads_that_a_missing_parent_does_not_cause_are_still_reported() -> None:
    (heads,) = of("FC102", chain("a", "b <- a", "c <- a", "d <- gone"))
    assert heads.revisions == ("b", "c")
    (heads,) = of("FC102", chain("a", "b <- gone", "c <- b", "d <- b"))
    assert heads.revisions == ("c", "d")


def test_a_cycle_is_no_second_head_and_names_only_its_members() -> None:
    finding = only("FC105", chain("a", "p <- q", "q <- p", "r <- q", "s <- r"))
    assert finding.revisions == ("p", "q")


def test_a_cycle_is_no_redundant_parent_above_it() -> None:
    assert codes(chain("p <- q", "q <- p", "r <- p, q")) == ["FC105"]


def test_each_cycle_is_a_finding() -> None:
    found = of("FC105", chain("p <- q", "q <- p", "x <- x", "a"))
    assert [finding.revisions for finding in found] == [("p", "q"), ("x",)]


def test_the_hint_of_a_cycle_says_which_variable() -> None:
    assert "depends_on" not in only("FC105", chain("p <- q", "q <- p")).hint
    assert "depends_on" in only("FC105", chain("a +b", "b <- a")).hint


def test_a_cycle_that_alembic_does_not_notice_is_said_to_be_one() -> None:
    seen = only("FC105", chain("p <- q", "q <- p", "r <- q"))
    assert "is detected in revisions" in seen.breaks
    unseen = only("FC105", chain("r", "a <- b, r", "b <- a", "c <- b"))
    assert unseen.severity is Severity.ERROR
    assert "does not notice" in unseen.breaks


def test_a_duplicate_is_no_second_base_or_head() -> None:
    assert codes(chain("a", "a", "b <- a", "b <- a")) == ["FC104", "FC104"]


def test_a_copy_whose_id_was_forgotten_is_no_cycle_and_no_redundant_parent() -> None:
    # The copy was meant to be the next revision, so it names the original as its parent.
    assert codes(chain("a", "b <- a", rev("b <- b", file="next.py"))) == ["FC104"]
    assert codes(chain("a", "b <- a", "c <- b", rev("c <- a", file="other.py"))) == ["FC104"]


def test_a_duplicate_says_whether_the_files_are_the_same() -> None:
    same = only("FC104", chain("a", Rev("b", ("a",)), Rev("b", ("a",))))
    assert "same content" in same.message
    assert len(same.locations) == 2
    assert "different content" in only("FC104", chain("a", "b <- a", "b <- a")).message


def test_a_duplicate_id_with_a_label_is_no_duplicate_label() -> None:
    assert codes(chain("a", "b <- a @x", "b <- a @x")) == ["FC104"]


# --- Names that do not exist ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parent", "looks_like"),
    [
        ("payments", "it is a branch label, of ae1027a6acf"),
        ("AE1027A6ACF", "it differs only in case or spaces from 'ae1027a6acf'"),
        ("ae1027 a6acf", "it differs only in case or spaces from 'ae1027a6acf'"),
        ("ae1027", "it is the beginning of 'ae1027a6acf'"),
        ("add_users", "there is a file add_users.py, whose id is 'ae1027a6acf'"),
        ("add_users.py", "there is a file add_users.py, whose id is 'ae1027a6acf'"),
    ],
)
def test_a_missing_parent_that_looks_like_something(parent: str, looks_like: str) -> None:
    snapshot = chain(
        rev("ae1027a6acf @payments", file="add_users.py"), Rev("b", (parent,)), "c <- b"
    )
    finding = only("FC103", snapshot)
    assert finding.message.endswith(f": {looks_like}")
    assert finding.revisions == ("b",)


@pytest.mark.parametrize("parent", ["ab", "zzz", "a"])
def test_a_missing_parent_that_could_be_several_or_none_is_not_guessed(parent: str) -> None:
    snapshot = chain("abc1", "abc2 <- abc1", Rev("b", (parent,)))
    assert only("FC103", snapshot).message.endswith("but no migration has that id")


def test_every_missing_parent_is_reported() -> None:
    (first, second, third) = of("FC103", chain("a", "b <- a, x, y", "c <- x"))
    assert [first.revisions, second.revisions, third.revisions] == [("b",), ("b",), ("c",)]


CONFLICT = b"revision = 'gone'\n<<<<<<< HEAD\ndown_revision = 'a'\n"
ANONYMOUS = b"revision = make_id()\ndown_revision = 'a'\n"


def test_an_id_that_an_unreadable_file_holds_is_not_missing() -> None:
    assert codes(chain("a", "b <- gone", extra={"x.py": CONFLICT})) == ["FC106"]
    assert codes(chain("a", "b <- a +gone", extra={"x.py": CONFLICT})) == ["FC106"]
    assert codes(chain("a", "b <- gone", extra={"gone_x.py": b"\x00"})) == ["FC106"]
    assert codes(chain("a", "b <- other", extra={"x.py": CONFLICT})) == ["FC103", "FC106"]


def test_an_id_that_a_computed_header_may_hold_is_not_missing() -> None:
    assert codes(chain("a", "b <- gone", extra={"x.py": ANONYMOUS})) == ["FC110"]


def test_more_ids_than_computed_headers_can_hold_are_missing() -> None:
    found = codes(chain("a", "b <- gone, lost", extra={"x.py": ANONYMOUS}))
    assert found == ["FC103", "FC103", "FC110"]


def test_an_id_that_is_no_valid_text_is_compared_with_unreadable_files() -> None:
    strange = b"revision = 'b'\ndown_revision = '\\ud800'\n"
    assert codes(chain("a", extra={"b.py": strange, "x.py": CONFLICT})) == ["FC103", "FC106"]


def test_a_missing_dependency() -> None:
    finding = only("FC107", chain("a", "b <- a +gone +a"))
    assert finding.revisions == ("b",)
    assert "gone" in finding.message


def test_a_missing_dependency_that_looks_like_something() -> None:
    finding = only("FC107", chain("abc1", "b <- abc1 +abc +gone +B"))
    assert "abc (it is the beginning of 'abc1'), gone, B (it differs" in finding.message


def test_a_dependency_that_may_be_a_computed_label_is_not_missing() -> None:
    computed = b"revision = 'x'\ndown_revision = 'a'\nbranch_labels = (cli.EXPAND,)\n"
    assert "FC107" not in codes(chain("a", "b <- a +expand", extra={"x.py": computed}))


# --- Single files --------------------------------------------------------------------------------


@pytest.mark.parametrize("character", "@-+:")
def test_characters_that_alembic_keeps_for_itself(character: str) -> None:
    finding = only("FC108", chain(Rev(f"a{character}b")))
    assert f"contains {character}" in finding.message
    if character in _revision_illegal_chars:  # older versions let the colon pass
        with pytest.raises(Refused):
            alembic_loads(chain(Rev(f"a{character}b")))


def test_ids_that_are_no_strings_or_empty() -> None:
    assert codes(chain(extra={"x.py": b"revision = 12\ndown_revision = None\n"})) == ["FC108"]
    assert codes(chain(extra={"x.py": b"revision = ''\ndown_revision = None\n"})) == ["FC108"]
    for name in ("revision", "down_revision"):
        header = {"revision": "'x'", "down_revision": "'a'", name: "(12)"}
        text = "".join(f"{name} = {value}\n" for name, value in header.items())
        finding = only("FC108", chain("a", extra={"x.py": text.encode()}))
        assert str(finding.hint) == f'write {name} = "12"'
    number = b"revision = 'b'\ndown_revision = ('a', 7)\n"
    finding = only("FC108", chain("a", extra={"b.py": number}))
    assert finding.revisions == ("b",)
    assert finding.locations[0].line == 2


def test_parents_that_are_no_strings_are_no_second_base_or_head() -> None:
    for value in (b"5", b"('b', 5)", b"[None, 'b']", b"True"):
        stray = b'"""x\n\nRevises: b\n"""\nrevision = \'x\'\ndown_revision = ' + value
        assert only("FC108", chain("a", "b <- a", extra={"x.py": stray})).revisions == ("x",)


@pytest.mark.parametrize("value", ["''", "('',)", '[""]', "None", "(None,)", "0", "()"])
def test_dependencies_that_alembic_takes_for_none(value: str) -> None:
    data = f"revision = 'x'\ndown_revision = 'a'\nbranch_labels = None\ndepends_on = {value}\n"
    assert codes(chain("a", extra={"x.py": data.encode()})) == []


def test_an_empty_dependency_beside_another_is_missing() -> None:
    data = b"revision = 'x'\ndown_revision = 'b'\ndepends_on = ('', 'a')\n"
    snapshot = chain("a", "b <- a", extra={"x.py": data})
    assert codes(snapshot) == ["FC107"]
    with pytest.raises(Refused):
        alembic_loads(snapshot)


@pytest.mark.parametrize(
    ("name", "value", "severity", "breaks"),
    [
        ("revision", "''", Severity.ERROR, "“{alembic} history” shows what is"),
        ("revision", "'base'", Severity.ERROR, "“{alembic} history” and “{alembic} upgrade” stop"),
        ("revision", "'x:y'", Severity.ERROR, "newer versions of Alembic refuse the id"),
        ("revision", "'x-y'", Severity.ERROR, "every “{alembic}” command stops"),
        ("revision", "'x:-y'", Severity.ERROR, "every “{alembic}” command stops"),
        ("branch_labels", "(5,)", Severity.ERROR, "“{alembic} heads” and “{alembic} history” stop"),
        ("depends_on", "(5, 'a')", Severity.ERROR, "every “{alembic}” command stops"),
    ],
)
def test_what_an_invalid_id_breaks(name: str, value: str, severity: Severity, breaks: str) -> None:
    header = {"revision": "'x'", "down_revision": "'a'", name: value}
    text = "".join(f"{name} = {value}\n" for name, value in header.items())
    finding = only("FC108", chain("a", extra={"x.py": text.encode()}))
    assert finding.severity is severity
    assert finding.breaks.startswith(breaks)


@pytest.mark.parametrize(
    ("name", "meaning"), [("head", "the head of the chain"), ("heads", "all heads of the chain")]
)
def test_an_id_that_means_the_head_as_a_parent(name: str, meaning: str) -> None:
    assert codes(chain("a", f"{name} <- a")) == []  # Alembic upgrades to it
    snapshot = chain("a", f"{name} <- a", f"b <- {name}")
    finding = only("FC108", snapshot)
    assert finding.message == f"the id {name!r} means {meaning}"
    assert "give the revision another id" in finding.hint
    assert finding.breaks.startswith("“{alembic} upgrade” stops")
    known = RevisionMap(lambda: [Revision("a", None), Revision(name, "a"), Revision("b", name)])
    (meant,) = known.get_revisions(name)
    assert isinstance(meant, Revision)
    assert meant.revision == "b"


def test_the_longest_id_that_fits() -> None:
    assert codes(chain("a" * 32)) == []
    assert only("FC109", chain("a" * 33)).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("revises", "parents", "stale"),
    [
        ("", (), False),
        ("None", (), False),
        ("<base>", (), False),
        ("a", (), True),
        ("a", ("a",), False),
        ("", ("a",), True),
        ("b", ("a",), True),
        ("a, b", ("a",), True),
        ("a, b", ("a", "b"), False),
        ("b,a", ("a", "b"), False),
        ("('a', 'b')", ("a", "b"), False),
        ("a", ("a", "b"), True),
    ],
)
def test_stale_docstrings(revises: str, parents: tuple[str, ...], stale: bool) -> None:
    text = f'"""m\n\nRevises: {revises}\n"""\nrevision = "x"\ndown_revision = {parents!r}\n'
    snapshot = chain("a", "b <- a", extra={"x.py": text.encode()})
    found = of("FC111", snapshot)
    assert [finding.revisions for finding in found] == ([("x",)] if stale else [])
    assert all(finding.locations[0].line == 3 for finding in found)


def test_a_docstring_without_that_line_is_not_stale() -> None:
    assert codes(chain("a", extra={"x.py": b"revision = 'x'\ndown_revision = 'a'\n"})) == []


def test_a_parent_named_twice_is_redundant() -> None:
    finding = only("FC112", chain("a", "b <- a, a"))
    assert finding.revisions == ("a", "b")
    assert finding.message == "b names a twice as a parent"
    assert "name a once in its down_revision" in finding.hint
    assert codes(chain("a", "b <- a", "c <- a", "m <- b, c")) == []


def test_labels_that_are_there_twice_or_also_an_id() -> None:
    assert only("FC113", chain("a @x", "b <- a @x")).revisions == ("a", "b")
    assert only("FC113", chain("a @x @x")).revisions == ("a",)
    assert only("FC113", chain("a @b", "b <- a")).revisions == ("a",)
    for specs in (("a @x", "b <- a @x"), ("a @x @x",), ("a @b", "b <- a")):
        with pytest.raises(Refused):
            alembic_loads(chain(*specs))


# --- Random faults, an independent oracle, and Alembic -------------------------------------------

NAMES = ["a1", "b2", "c3", "d4", "e5"]


@st.composite
def faulty(draw: st.DrawFn) -> Facts:
    """Any chain of few names: duplicates, cycles and dangling names are frequent."""
    parents = st.lists(st.sampled_from([*NAMES, "gone"]), max_size=2, unique=True).map(tuple)
    needs = st.lists(st.sampled_from([*NAMES, "lost"]), max_size=1).map(tuple)
    return chain(
        *(
            Rev(name, draw(parents), depends_on=draw(needs) if draw(st.booleans()) else ())
            for name in draw(st.lists(st.sampled_from(NAMES), max_size=6))
        )
    )


def pieces(parents: dict[str, set[str]]) -> list[set[str]]:
    """Groups that hang together: each revision joins all the groups that it touches."""
    groups: list[set[str]] = []
    for name, named in parents.items():
        touched = [group for group in groups if group & {name, *named}]
        groups = [group for group in groups if group not in touched]
        groups.append({name, *named}.union(*touched))
    return groups


def expected_codes(files: Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]) -> set[str]:
    """What should be found of FC101 to FC105 and FC107, for files without labels."""
    files = list(files)
    ids = [name for name, _, _ in files]
    known = set(ids)
    twice = {name for name in ids if ids.count(name) > 1}
    named: dict[str, set[str]] = {name: set() for name in ids}
    needed: dict[str, set[str]] = {name: set() for name in ids}
    for name, parents, needs in files:
        named[name].update(parents)
        needed[name].update(needs)
    edges = {name: tuple((named[name] | needed[name]) & known) for name in known}
    groups = pieces({name: named[name] & known for name in known})
    bases = {name for name in known if not named[name]}
    heads = known.difference(*named.values()) if known else set()
    found = set()
    if any(named[name] - known for name in known):
        found.add("FC103")
    if twice:
        found.add("FC104")
    if any(twice.isdisjoint(members) for members in strong_components(edges)):
        found.add("FC105")
    if any(needed[name] - known for name in known):
        found.add("FC107")
    # Which bases depends_on ties is left to the literal tests.
    if not any(needed.values()):
        if len(bases) > 1:
            found.add("FC101")
        # What hangs in the air is one head of its own; only its branches are heads beside it.
        grounded = [group & heads for group in groups if group & bases]
        hanging = [group & heads for group in groups if not group & bases]
        if sum(map(len, grounded)) > 1 or any(len(group) > 1 for group in hanging):
            found.add("FC102")
    return found


@given(faulty())
def test_faults_are_those_that_an_independent_oracle_sees(snapshot: Facts) -> None:
    files = [
        (item.revision, item.down_revision, item.depends_on)
        for item in headers_of(snapshot)
        if item.revision is not None and None not in (item.down_revision, item.depends_on)
    ]
    judged = {"FC101", "FC102", "FC103", "FC104", "FC105", "FC107"}
    if any(needs for _, _, needs in files):
        judged -= {"FC101", "FC102"}
    assert judged.intersection(codes(snapshot)) == expected_codes(
        (name, parents or (), needs or ()) for name, parents, needs in files
    )


@given(faulty())
def test_alembic_refuses_the_cycles_of_which_that_is_said(snapshot: Facts) -> None:
    findings = diagnose(snapshot)
    if {finding.code for finding in findings} & {"FC103", "FC104", "FC107"}:
        return  # which Alembic refuses, or reads otherwise
    cycles = [finding for finding in findings if finding.code == "FC105"]
    try:
        alembic_loads(snapshot)
    except Refused:
        assert any("is detected" in finding.breaks for finding in cycles)
    else:
        assert all("does not notice" in finding.breaks for finding in cycles)


@given(faulty())
def test_whatever_alembic_cannot_load_has_an_error(snapshot: Facts) -> None:
    errors = [finding for finding in diagnose(snapshot) if finding.severity is Severity.ERROR]
    try:
        loaded = alembic_loads(snapshot)
    except Refused:
        assert errors
        return
    cyclic = any(finding.code == "FC105" for finding in errors)  # Alembic does not see them all
    if len(loaded.bases) <= 1 and len(loaded.heads) <= 1 and not cyclic:
        assert not errors


def test_alembic_fails_on_the_files_of_a_chain_from_which_one_was_deleted(tmp_path: Path) -> None:
    whole = chain("a", "b <- a", "c <- b")
    write(whole, tmp_path / "whole")
    write(without_file(whole, "b"), tmp_path / "torn")
    assert ScriptDirectory(str(tmp_path / "whole")).get_heads() == ["c"]
    with pytest.warns(UserWarning, match="not present"), pytest.raises(KeyError):
        ScriptDirectory(str(tmp_path / "torn")).get_heads()
    assert codes(whole) == []
    assert codes(without_file(whole, "b")) == ["FC103"]


def test_of_files_with_one_id_those_that_name_what_is_missing_are_shown() -> None:
    snapshot = chain("a", "b <- gone", "b <- a", "c <- a +lost", "c <- a")
    for code, name in (("FC103", "b_add_b.py"), ("FC107", "c_add_c.py")):
        (finding,) = of(code, snapshot)
        assert [place.path.name for place in finding.locations] == [name]
