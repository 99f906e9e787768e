"""Users

Revision ID: c27b95e1a830
Revises: 
Create Date: 2026-03-01 09:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c27b95e1a830"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("users")
