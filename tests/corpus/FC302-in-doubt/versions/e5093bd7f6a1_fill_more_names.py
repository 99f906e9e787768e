"""fill more names

Revision ID: e5093bd7f6a1
Revises: 3f1c2a9b7d04
Create Date: 2024-03-05 09:30:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'e5093bd7f6a1'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.execute('UPDATE users SET id = id')


def downgrade():
    pass
