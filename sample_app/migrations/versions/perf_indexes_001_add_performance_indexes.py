"""Add performance indexes

Revision ID: perf_indexes_001
Revises: dc4e5affd5bc
Create Date: 2025-11-21 12:00:00

"""
from typing import Sequence, Union

from alembic import op

# revision identifiers, used by Alembic.
revision: str = "perf_indexes_001"
down_revision: Union[str, None] = "dc4e5affd5bc"
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None

INDEXES = [
    ("idx_user_active_created", "user", ["is_active", "created_at"]),
    ("idx_user_last_login_at", "user", ["last_login_at"]),
    ("idx_server_status", "server", ["status"]),
    ("idx_server_game_status", "server", ["game", "status"]),
    ("idx_audit_log_created_at", "audit_log", ["created_at"]),
    ("idx_audit_log_action_created", "audit_log", ["action", "created_at"]),
]


def upgrade() -> None:
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
