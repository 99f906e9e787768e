"""Mail

Revision ID: 3f2a11c07d4e
Revises: c27b95e1a830
Create Date: 2026-03-02 09:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "3f2a11c07d4e"
down_revision = "c27b95e1a830"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("users", sa.Column("mail", sa.String(80)))


def downgrade():
    pass
