"""add users.zip

Revision ID: b7d20e9a44c1
Revises: 3f1c2a9b7d04
Create Date: 2024-01-15 16:40:02.771203

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'b7d20e9a44c1'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('zip', sa.String(length=80)))


def downgrade():
    op.drop_column('users', 'zip')
