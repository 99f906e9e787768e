"""What each command does with the disk, from reading to reporting, without its options."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_chainfix import disk
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.check import check
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.errors import (
    CannotPlan,
    ChainFixError,
    NotConfirmed,
    NothingToUndo,
    RepairInterrupted,
    RepairRunning,
    StaleSnapshot,
)
from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis import rules
from flask_chainfix.diagnosis.rules import Fault, Rule
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.model.files import Header
from flask_chainfix.model.plans import Confirmation, Wishes
from flask_chainfix.report.results import Planning
from tests.commands import run
from tests.disk import BROKEN, environment, migrations, tree
from tests.results import carried_out, plan_of

TOOLS = Tools("program db", "program db fixchain")


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """A broken chain on the disk."""
    return open_directory(str(environment(tmp_path / "migrations", *BROKEN)))


@pytest.fixture(autouse=True)
def _confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alembic's word without a process for it: ``test_runtime`` is about that."""

    def confirm(runtime: Runtime, expected: Snapshot, *_: object) -> Confirmation:
        found = disk.read_snapshot(runtime.environment)[0].graph
        if found.named_parents != expected.graph.named_parents:
            raise NotConfirmed("another chain", "nothing")
        return Confirmation("test", tuple(sorted(found.bases)), tuple(sorted(found.heads)), "", "")

    monkeypatch.setattr("flask_chainfix.commands.repair.confirm", confirm)


def planned(runtime: Runtime, **wishes: Any) -> Planning:
    return plan_repair(Session(runtime, TOOLS), Wishes(**wishes))


def test_check_builds_three_graphs_and_runs_each_rule_three_times(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the chain as it is, as it is linked, and as its files then say it."""
    count: Counter[str] = Counter()
    made = Graph.__init__

    def build(self: Graph, headers: Iterable[Header]) -> None:
        count["graphs"] += 1
        made(self, headers)

    def counted(rule: Rule) -> Rule:
        def find(snapshot: Facts) -> Iterator[Fault]:
            count[rule.code] += 1
            return rule.find(snapshot)

        return rule._replace(find=find)

    all_rules = {rule.code: counted(rule) for rule in rules.all_rules()}
    monkeypatch.setattr(rules, "_RULES", all_rules)
    monkeypatch.setattr(Graph, "__init__", build)
    checked = check(
        Session(open_directory(str(sample / "sample_app/migrations")), TOOLS), strict=False
    )
    assert checked.proposal.planned is not None
    assert count["FC101"] == 3
    assert max(count.values()) == 3


def healthy(runtime: Runtime) -> bool:
    return not check(Session(runtime, TOOLS), strict=True).diagnosis.findings


def refused(error: type[ChainFixError], work: Any, *args: Any) -> ChainFixError:
    with pytest.raises(error) as caught:
        work(*args)
    return caught.value


def test_a_check_shows_the_repair_and_writes_nothing(runtime: Runtime) -> None:
    before = tree(runtime.environment.directory)
    report = check(Session(runtime, TOOLS), strict=False)
    assert report.exit_code == 1
    assert plan_of(report).plan == plan_of(planned(runtime)).plan
    assert tree(runtime.environment.directory) == before


def test_a_repair_does_what_its_plan_says(runtime: Runtime) -> None:
    report = planned(runtime)
    plan = plan_of(report)
    done = carried_out(runtime, report)
    assert done.exit_code == 0
    found = disk.read_snapshot(runtime.environment)[0]
    assert found.graph.named_parents == plan.after.graph.named_parents
    assert list(found.graph.order) == list(plan.plan.order)
    assert healthy(runtime)
    assert planned(runtime).proposal.planned is None


def test_a_plan_that_alembic_would_not_load_is_refused(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def foresee(snapshot: Snapshot, **_: object) -> None:
        assert len(snapshot.graph.bases) == 1
        raise CannotPlan("Alembic would not load it", "nothing")

    monkeypatch.setattr("flask_chainfix.planning.plan.foresee", foresee)
    report = planned(runtime)
    assert (report.exit_code, report.proposal.planned) == (3, None)


def test_a_plan_that_is_out_of_date_changes_nothing(runtime: Runtime) -> None:
    report = planned(runtime)
    edited = plan_of(report).edits[-1].path
    edited.write_bytes(edited.read_bytes() + b"# somebody was here\n")
    before = migrations(runtime.environment.directory)
    error = refused(StaleSnapshot, carried_out, runtime, report)
    assert edited.name in error.message
    assert migrations(runtime.environment.directory) == before


def test_what_is_not_confirmed_is_put_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = migrations(runtime.environment.directory)

    def confirm(runtime: Runtime, expected: Snapshot, *_: object) -> Confirmation:
        assert migrations(runtime.environment.directory) != before
        raise NotConfirmed("no", "nothing")

    monkeypatch.setattr("flask_chainfix.commands.repair.confirm", confirm)
    refused(NotConfirmed, carried_out, runtime, planned(runtime))
    assert migrations(runtime.environment.directory) == before
    refused(NothingToUndo, plan_undo, Session(runtime, TOOLS))


def test_undo_gives_back_every_byte(runtime: Runtime) -> None:
    before = migrations(runtime.environment.directory)
    carried_out(runtime, planned(runtime, strategy="merge"))
    report = plan_undo(Session(runtime, TOOLS))
    assert migrations(runtime.environment.directory) != before
    done = carry_out_undo(Session(runtime), report)
    assert migrations(runtime.environment.directory) == before
    assert len(done.snapshot.graph.bases) == 3
    assert done.findings
    refused(NothingToUndo, carry_out_undo, Session(runtime), report)


def test_undo_refuses_a_file_that_was_changed_since(runtime: Runtime) -> None:
    report = planned(runtime)
    carried_out(runtime, report)
    path = plan_of(report).edits[0].path
    path.write_bytes(path.read_bytes() + b"# by hand\n")
    changed = migrations(runtime.environment.directory)
    error = refused(
        StaleSnapshot, carry_out_undo, Session(runtime), plan_undo(Session(runtime, TOOLS))
    )
    assert path.name in error.message
    assert migrations(runtime.environment.directory) == changed


KILLED = """
import os, sys
from flask_chainfix.cli.groups import main
from flask_chainfix.commands import repair
repair.confirm = lambda *_: os._exit(9)
main(["-d", sys.argv[1], "repair", "--yes"])
"""


def interrupt(runtime: Runtime) -> None:
    """Leave behind what a repair leaves that is killed when its files are written."""
    place = runtime.environment.directory
    done = run(sys.executable, "-c", KILLED, place, cwd=place.parent)
    assert done.exit_code == 9, done.stderr


def test_an_interrupted_repair_is_noticed_and_undone(runtime: Runtime) -> None:
    before = migrations(runtime.environment.directory)
    interrupt(runtime)
    half_way = tree(runtime.environment.directory)

    notice, *_ = check(Session(runtime, TOOLS), strict=False).diagnosis.notices
    assert "killed half-way" in notice
    assert "program db fixchain undo" in notice
    error = refused(RepairInterrupted, planned, runtime)
    assert "program db fixchain undo" in error.remedy
    assert tree(runtime.environment.directory) == half_way

    carry_out_undo(Session(runtime), plan_undo(Session(runtime, TOOLS)))
    assert migrations(runtime.environment.directory) == before
    notices = check(Session(runtime, TOOLS), strict=False).diagnosis.notices
    assert not any("killed half-way" in notice for notice in notices)
    plan_of(planned(runtime))


def test_one_repair_at_a_time(runtime: Runtime) -> None:
    report = planned(runtime)
    before = migrations(runtime.environment.directory)
    with disk.locked(runtime.environment.directory):
        refused(RepairRunning, carried_out, runtime, report)
    assert migrations(runtime.environment.directory) == before

    interrupt(runtime)
    with disk.locked(runtime.environment.directory):
        (notice,) = check(Session(runtime, TOOLS), strict=False).diagnosis.notices
        assert "running" in notice
        refused(RepairRunning, planned, runtime)


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_strict_counts_warnings(tmp_path: Path, strict: bool, code: int) -> None:
    place = environment(tmp_path / "migrations", "a", "b <- a", "c", "d <- b, c")
    report = check(Session(open_directory(str(place)), TOOLS), strict=strict)
    assert report.exit_code == code
    assert [finding.code for finding in report.diagnosis.findings] == ["FC101"]
    assert (report.proposal.planned is not None) == strict


# --- Several heads that are no error -------------------------------------------------------------

EXPAND_AND_CONTRACT = ("a", "e <- a @expand", "c <- a @contract")
COMPUTED = {
    "parent": "revision = 'x'\ndown_revision = os.environ.get('X') or None\n",
    "id": "revision = make_id()\ndown_revision = 'a'\n",
    "label": "revision = 'x'\ndown_revision = 'a'\nbranch_labels = (cli.EXPAND,)\n",
}


def remarks(place: Path) -> list[str]:
    notices = check(Session(open_directory(str(place)), TOOLS), strict=False).diagnosis.notices
    return [notice for notice in notices if "heads" in notice]


def test_heads_that_are_kept_apart_on_purpose(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", *EXPAND_AND_CONTRACT)
    way = "`program db upgrade heads` goes to all of them"
    assert remarks(place) == [f"2 heads are kept apart on purpose; {way}"]
    assert planned(open_directory(str(place))).error is None


@pytest.mark.parametrize("specs", [("a", "b <- a"), EXPAND_AND_CONTRACT])
@pytest.mark.parametrize("computed", ["parent", "id"])
def test_heads_that_cannot_be_judged_for_computed_headers(
    tmp_path: Path, specs: tuple[str, ...], computed: str
) -> None:
    place = environment(tmp_path / "migrations", *specs)
    (place / "versions" / "x.py").write_text(COMPUTED[computed])
    runtime = open_directory(str(place))
    report = planned(runtime)
    if len(report.diagnosis.snapshot.graph.heads) == 1:
        assert report.error is None
        return
    (remark,) = remarks(place)
    assert "cannot be judged, because the place of x.py in the chain is not known" in remark
    assert check(Session(runtime, TOOLS), strict=False).exit_code == 0
    assert report.error is not None
    assert report.exit_code == 3
    assert "the header of x.py is computed" in report.error.message


def test_heads_that_only_computed_labels_keep_apart(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a", "c <- a @contract")
    (place / "versions" / "x.py").write_text(COMPUTED["label"])
    (remark,) = remarks(place)
    assert "2 heads are kept apart if the branch labels of x.py, which are computed" in remark
    assert planned(open_directory(str(place))).error is None


@pytest.mark.parametrize(
    ("specs", "ignore"),
    [
        (("a", "b <- a", "c <- a"), "FC102 multiple-heads"),
        (("a", "b <- a", "c <- gone"), "FC103 missing-down-revision"),
    ],
)
def test_heads_that_the_settings_ignore(
    tmp_path: Path, specs: tuple[str, ...], ignore: str
) -> None:
    place = environment(tmp_path / "migrations", *specs)
    (place / "alembic.ini").write_text(f"[alembic]\n[fixchain]\nignore = {ignore[:5]}\n")
    assert remarks(place) == [f"2 heads are not judged: the settings ignore {ignore}"]


def test_a_head_that_may_be_the_trunk_is_not_said_to_be_there_on_purpose(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", *EXPAND_AND_CONTRACT, "t <- a")
    assert remarks(place) == []
    runtime = open_directory(str(place))
    assert planned(runtime).error is None
    plan = plan_of(planned(runtime, attach={"t": "c"})).plan
    (relink,) = plan.relinks
    assert (relink.revision, relink.after) == ("t", ("c",))


def test_a_healthy_chain_with_a_computed_header_is_healthy(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a", "b <- a")
    (place / "versions" / "x.py").write_text(COMPUTED["label"].replace("'a'", "'b'"))
    report = planned(open_directory(str(place)))
    assert (report.exit_code, report.error, remarks(place)) == (0, None, [])


def test_a_refusal_says_why_and_keeps_the_diagnosis(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a", "b <- a +gone", "c")
    runtime = open_directory(str(place))
    report = plan_repair(Session(runtime, TOOLS), Wishes())
    assert report.error is not None
    assert report.exit_code == report.error.exit_code == 3
    assert "FC107" in report.error.message
    assert "correct depends_on by hand" in report.error.remedy
    assert {finding.code for finding in report.diagnosis.findings} >= {"FC101", "FC107"}
    checked = check(Session(runtime, TOOLS), strict=False)
    assert (checked.exit_code, checked.error) == (1, None)
    assert checked.proposal.obstacle is not None
