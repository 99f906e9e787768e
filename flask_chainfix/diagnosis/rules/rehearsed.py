"""What only running the migrations shows."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.findings import Location, Severity

_SHOWN = 5  # faults of one downgrade in one message


@rule("FC206", "downgrade-incomplete", Severity.WARNING, "incomplete downgrade", Family.REHEARSAL)
def downgrade_incomplete(snapshot: Facts) -> Iterator[Fault]:
    """After an upgrade and a downgrade the schema is not what it was before.

    Only `{fixchain} rehearse --stairway` finds it, as it takes running the migrations. Tables,
    views, columns, keys, indexes, checks and PostgreSQL's enumerated types are compared; rows are
    not.

    What breaks:
        after a “{alembic} downgrade”, the next “{alembic} upgrade” may stop, because what it makes
        is there already; or it goes on with a schema that no migration expects

    How it comes about:
        `downgrade()` says `pass`, or forgets a part of what `upgrade()` does. The classic on
        PostgreSQL is the type of an `sa.Enum` column, which stays when the table is dropped.

    How it is repaired:
        By hand: let `downgrade()` undo each operation of `upgrade()`, in the opposite order; where
        nobody is ever to go back, let it raise an exception that says so. A downgrade that is
        incomplete on purpose is no fault: list FC206 under `ignore` in the settings.

    Example:
        # mail.py
        revision = "mail"
        down_revision = "users"

        def upgrade():
            op.add_column("user", sa.Column("mail", sa.String(80)))

        def downgrade():
            pass

        $ {fixchain} rehearse --stairway
    """
    for gap in snapshot.downgrade_gaps:
        left_out = len(gap.faults) - _SHOWN
        more = f", and {count(left_out, 'more difference')}" if left_out > 0 else ""
        where = f" of the database {gap.bind}" if gap.bind else ""
        yield Fault(
            f"the downgrade of {gap.revision}{where} {listing(gap.faults[:_SHOWN])}{more}",
            "let downgrade() undo each operation of upgrade(), in the opposite order",
            [gap.revision],
            [Location(gap.path, gap.line)],
        )
