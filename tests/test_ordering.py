"""Dates, ranks and wishes: what decides an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.history import GitHistory, Landing
from flask_chainfix.model.plans import Reason, Wishes
from flask_chainfix.planning.linking.ranking import (
    Rank,
    base_that_stays,
    parse_date,
    rank_of,
    without_placeholders,
)
from flask_chainfix.planning.linking.strategies import make_plan
from tests.support import Rev, chain, rev

UTC = timezone.utc


def base_of(snapshot: Facts) -> str | None:
    """The base that stays if nobody wished anything else."""
    lineages, ranks = find_lineages(snapshot), plain_ranks(snapshot)
    return base_that_stays(lineages, snapshot.graph, ranks, (), frozenset())


def plain_ranks(snapshot: Facts) -> dict[str, Rank]:
    """The rank of each revision, whatever the base."""
    return {name: rank_of(snapshot.file(name), GitHistory()) for name in snapshot.graph}


def ranks_of(snapshot: Facts, root: str | None = None) -> Mapping[str, Rank]:
    """What decides the order of a chain for which nobody wished anything else."""
    return without_placeholders(plain_ranks(snapshot), root or base_of(snapshot))


def placeholders(snapshot: Facts, root: str | None = None) -> set[str]:
    """The revisions whose date does not count."""
    ranks = ranks_of(snapshot, root)
    return {revision for revision, rank in ranks.items() if rank.older_than is not None}


def by_rank(snapshot: Facts) -> list[str]:
    """The revisions, what runs earlier first."""
    return sorted(snapshot.graph, key=ranks_of(snapshot).__getitem__)


# --- Dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-02-29 13:45:12.123456", datetime(2024, 2, 29, 13, 45, 12, 123456, UTC)),
        ("2024-02-29 13:45:12", datetime(2024, 2, 29, 13, 45, 12, 0, UTC)),
        ("2024-02-29 13:45", datetime(2024, 2, 29, 13, 45, 0, 0, UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2024-02-29 13:45:12+02:00", datetime(2024, 2, 29, 11, 45, 12, 0, UTC)),
        ("2024-02-29 13:45:12-05:30", datetime(2024, 2, 29, 19, 15, 12, 0, UTC)),
        ("2024-02-29 13:45:12  ", datetime(2024, 2, 29, 13, 45, 12, 0, UTC)),
    ],
)
def test_dates_as_alembic_writes_them(text: str, date: datetime) -> None:
    assert parse_date(text) == date


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2024-12-XX",
        "2024-12-01 28:00:00",
        "2024-13-01",
        "2023-02-29",
        "0000-00-00",
        "2024-1-1",
        "01.02.2024",
        "2024-01-01 10:00:00 CET",
        "2024-01-01 10:00:00+99:99",
        "2024-01-01 (first try)",
        # These are dates to some versions of Python and not to others.
        "20240229",
        "2024-W09-4",
        "2024-02-29T13:45:12Z",
        "2024-02-29 13:45:12.5",
        "2024-02-29 13:45:12,123456",
        "2024-02-29 134512",
        "2024-02-29 24:00:00",
        "2024-02-29 13:45:12+0200",
        "2024-02-29 13:45:12+02",
        "\u0662024-02-29",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-23 * 60, 23 * 60))
def test_a_date_that_python_writes_is_read_back(date: datetime, minutes: int) -> None:
    try:
        local = date.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    for text in (local.isoformat(), local.isoformat(" ")):
        assert parse_date(text) == date


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    date = parse_date(text)
    assert date is None or date.tzinfo is not None


# --- The base that stays -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "root"),
    [
        (("a :2024-02-02", "b :2024-01-01", "c <- a"), "a"),
        (("a :2024-02-02", "b :2024-01-01"), "b"),
        (("b :2024-01-01", "a :2024-01-01"), "a"),
        (("a :undated", "b :2024-01-01"), "b"),
        # Descendants through merge points count for every base below them.
        (("a", "z", "y <- z", "m <- a, y"), "z"),
        # One that depends on another base cannot be below it, however large it is.
        (("a", "b +a", "c <- b", "d <- c", "m <- a, d"), "a"),
        (("p @payments", "q <- p", "a"), "a"),
    ],
)
def test_the_base_that_stays(specs: tuple[str, ...], root: str) -> None:
    assert base_of(chain(*specs)) == root


@pytest.mark.parametrize(
    ("files", "dates", "root"),
    [
        (("0001_a", "0005_z"), ("2024-01-01", "2024-05-01"), "a"),
        # Neither alone tells, nor do other names.
        (("0001_a", "0005_z"), ("2024-05-01", "2024-01-01"), "z"),
        (("0005_a", "0001_z"), ("2024-01-01", "2024-05-01"), "z"),
        (("1a_users", "5f_orders"), ("2024-01-01", "2024-05-01"), "z"),
    ],
)
def test_what_came_last_by_its_number_and_date_is_no_root(
    files: tuple[str, str], dates: tuple[str, str], root: str
) -> None:
    snapshot = chain(
        rev(f"a :{dates[0]}", file=f"{files[0]}.py"),
        rev(f"z :{dates[1]}", file=f"{files[1]}.py"),
        "y <- z",
        "x <- y",
    )
    assert base_of(snapshot) == root


def test_what_landed_last_and_has_the_later_date_is_no_root() -> None:
    snapshot = chain("a :2024-01-01", "z :2024-05-01", "y <- z", "x <- y")
    plan = make_plan(landed(snapshot, "a", "z", "y", "x"), Wishes())
    assert plan.order == ("a", "z", "y", "x")
    plan = make_plan(landed(snapshot, "z", "a", "y", "x"), Wishes())
    assert plan.order == ("z", "y", "x", "a")


def test_a_base_is_not_put_on_what_has_lost_its_parent() -> None:
    snapshot = chain("b", "o", "p <- o", "q <- p")
    plan = make_plan(snapshot, Wishes(), orphaned=frozenset({"o"}))
    assert plan.order == ("b", "o", "p", "q")


def test_the_user_chooses_the_base_that_stays() -> None:
    assert make_plan(chain("a", "b <- a", "z"), Wishes(root="z")).order == ("z", "a", "b")


def test_a_chain_without_a_base() -> None:
    assert base_of(chain("p <- q", "q <- p")) is None
    assert base_of(chain()) is None


# --- Rank ----------------------------------------------------------------------------------------


def test_rank_is_date_then_file_name_and_what_has_no_date_last() -> None:
    snapshot = chain(
        "a :2024-01-01",
        rev("b <- a :2024-03-01", file="2.py"),
        rev("c <- a :2024-03-01", file="1.py"),
        "d <- a :2024-02-01",
        rev("e <- a :undated", file="9.py"),
        rev("f <- a :soon", file="8.py"),
    )
    assert by_rank(snapshot) == ["a", "d", "c", "b", "f", "e"]


def test_a_date_older_than_that_of_the_base_is_a_placeholder() -> None:
    snapshot = chain("a :2024-01-01", "b <- a :2023-12-31", "c <- b :2024-01-02")
    assert placeholders(snapshot) == {"b"}
    assert by_rank(snapshot) == ["a", "c", "b"]


def test_the_base_that_stays_decides_what_a_placeholder_is() -> None:
    snapshot = chain("a :2024-01-01", "b <- a :2024-06-01", "z :2023-01-01")
    assert placeholders(snapshot) == {"z"}
    assert placeholders(snapshot, "z") == set()


def test_where_the_base_has_no_date_there_are_no_placeholders() -> None:
    assert placeholders(chain("a :undated", "b <- a :1970-01-01")) == set()


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("2024-05-05 10:00:00", "Create Date 2024-05-05 is later than that of b (2024-01-01)"),
        (
            "2024-01-01 10:00:00",
            "10:00:00 is later than that of b (2024-01-01 00:00:00)",
        ),
        (None, "it has no Create Date"),
        ("2000-01-01", "its Create Date is older than that of the base a"),
        ("2024-01-01", "no date decides; by file name"),
    ],
)
def test_explanations(date: str | None, reason: str) -> None:
    snapshot = chain("a :2024-01-01", "b <- a :2024-01-01", Rev("c", ("a",), date=date))
    ranks = ranks_of(snapshot)
    assert reason in ranks["c"].why_later(ranks["b"], "b").detail


# --- Git -----------------------------------------------------------------------------------------


def landed(snapshot: Facts, *order: str) -> Facts:
    """The chain whose files landed in this order, a day apart; the others have not."""
    landings = {
        snapshot.file(revision).path: Landing(
            day, f"c{day}", datetime(2024, 6, day + 1, tzinfo=UTC)
        )
        for day, revision in enumerate(order)
    }
    return replace(snapshot, git_history=GitHistory(landings))


def test_what_landed_later_goes_on_top_whatever_the_create_dates_say() -> None:
    snapshot = chain("a", "x <- a :2024-05-01", "y <- a :2024-04-01")
    plan = make_plan(landed(snapshot, "a", "x", "y"), Wishes())
    assert plan.order == ("a", "x", "y")
    (relink,) = plan.relinks
    assert relink.why[-1] == Reason(
        "git",
        "its commit of 2024-06-03 00:00:00 (c2) came after that of 2024-06-02 00:00:00 (c1) that"
        " added x",
    )


def test_what_is_not_committed_yet_is_the_latest() -> None:
    snapshot = chain("a", "x <- a :2023-05-01", "y <- a :2024-04-01")
    plan = make_plan(landed(snapshot, "a", "y"), Wishes())
    assert plan.order == ("a", "y", "x")
    assert plan.relinks[0].why[-1].detail == (
        "it is not committed yet, and so later than the commit of 2024-06-02 00:00:00 (c1) that"
        " added y"
    )


def test_what_landed_together_is_ordered_by_create_date() -> None:
    snapshot = chain("a", "x <- a :2024-05-01", "y <- a :2024-04-01")
    together = dict.fromkeys(
        landed(snapshot, "a", "x", "y").git_history.landings, Landing(0, "c", datetime.now(UTC))
    )
    assert make_plan(replace(snapshot, git_history=GitHistory(together)), Wishes()).order == (
        "a",
        "y",
        "x",
    )


def test_of_equally_long_chains_the_base_that_landed_first_stays() -> None:
    snapshot = chain("x :2024-01-01", "y :2024-02-01")
    assert make_plan(landed(snapshot, "y", "x"), Wishes()).order == ("y", "x")


def test_evidence_comes_before_git() -> None:
    snapshot = chain(
        rev("u").doing("op.execute('SELECT 1 FROM t')"),
        rev("c").doing("op.create_table('t')"),
    )
    assert make_plan(landed(snapshot, "u", "c"), Wishes()).order == ("c", "u")
