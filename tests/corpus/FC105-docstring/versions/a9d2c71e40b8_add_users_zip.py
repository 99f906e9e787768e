"""add users.zip

Revision ID: a9d2c71e40b8
Revises: 3f1c2a9b7d04
Create Date: 2024-02-01 10:00:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'a9d2c71e40b8'
down_revision = 'e5093bd7f6a1'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('zip', sa.String(length=80)))


def downgrade():
    op.drop_column('users', 'zip')
