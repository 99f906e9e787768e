"""add users.paid

Revision ID: c0ffee123456
Revises: 8a6e0d4c51f2
Create Date: 2024-03-01 10:00:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'c0ffee123456'
down_revision = '8a6e0d4c51f2'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('paid', sa.String(length=80)))


def downgrade():
    op.drop_column('users', 'paid')
