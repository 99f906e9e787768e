"""add users.zip

Revision ID: d40a7e86b3c5
Revises: 8a6e0d
Create Date: 2024-02-01 10:00:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'd40a7e86b3c5'
down_revision = '8a6e0d'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('zip', sa.String(length=80)))


def downgrade():
    op.drop_column('users', 'zip')
