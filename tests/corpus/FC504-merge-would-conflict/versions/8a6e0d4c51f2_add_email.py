"""add 8a6e0d4c51f2

Revision ID: 8a6e0d4c51f2
Revises: 3f1c2a9b7d04
Create Date: 2024-01-20 10:00:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '8a6e0d4c51f2'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('email', sa.String(40)))


def downgrade():
    op.drop_column('users', 'email')
