"""FC113: branch labels that stand twice are told apart by the user's choice."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.errors import CannotPlan
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Mend, Part, Reason
from flask_chainfix.rules.headers import ILLEGAL, NO_LABELS


def labels_of_choice(case: Case) -> Iterator[Mend]:
    """``--relabel`` gives a revision the labels that the user names.

    Raises:
        CannotPlan: there is no such revision.
        CannotRewrite: a file cannot be changed with certainty.
    """
    for revision, labels in case.wishes.relabel.items():
        if revision not in case.snapshot.graph:
            raise CannotPlan(
                f"there is no revision {revision!r} in this chain",
                "give --relabel the full id of an existing revision",
            )
        for label in labels:
            if label in case.snapshot.graph or label in NO_LABELS or ILLEGAL.intersection(label):
                raise CannotPlan(
                    f"{label!r} cannot be a branch label: it is a revision's id, or means something"
                    " to Alembic",
                    "choose another word for --relabel, without @, -, + and :",
                )
        if case.snapshot.header(revision).branch_labels != labels:
            why = Reason("pin", f"--relabel {revision}={','.join(labels)}")
            yield case.rewritten("FC113", Part.LABELS, case.snapshot.file(revision), labels, why)
