"""Orders

Revision ID: 9b0c4e5d6f21
Revises: 3f2a11c07d4e
Create Date: 2026-03-03 09:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9b0c4e5d6f21"
down_revision = "3f2a11c07d4e"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("orders", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("orders")
