"""add users.city

Revision ID: e5093bd7f6a1
Revises: a9d2c71e40b8
Create Date: 2024-02-01 10:00:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'e5093bd7f6a1'
down_revision = 'a9d2c71e40b8'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('city', sa.String(length=80)))


def downgrade():
    op.drop_column('users', 'city')
