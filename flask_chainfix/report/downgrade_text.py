"""Databases that go down with the old chain and up again with the new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask_chainfix.common.wording import listing
from flask_chainfix.model.databases import Downgrade
from flask_chainfix.report.page import Row, Section, said

_SHOWN = 12


def sections(downgrades: Sequence[Downgrade], *, done: bool = False) -> Iterator[Section]:
    """What is downgraded in each database, what that deletes, and what runs afterwards."""
    for each in downgrades:
        rows = (each.before, each.below, each.after)
        way = " → ".join(listing(ids) or "nothing" for ids in rows)
        loses = f"drops {listing(each.drops, _SHOWN)}, with the data in it"
        yield Section(
            "Downgraded, and upgraded again" if done else "Downgrade, and upgrade again",
            each.name,
            (
                Row(f"stamp  {way}", hanging=7),
                Row(f"down   {listing(each.down, _SHOWN)}", hanging=7),
                Row(loses if each.drops else "drops nothing", "bold yellow", indent=7),
                Row(f"up     {listing(each.up, _SHOWN)}", hanging=7),
            ),
        )


def as_json(downgrades: Sequence[Downgrade]) -> list[dict[str, Any]] | None:
    """The value in the JSON document."""
    names = ("name", "before", "below", "after", "down", "up", "drops")
    return [said(each, *names) for each in downgrades] or None
