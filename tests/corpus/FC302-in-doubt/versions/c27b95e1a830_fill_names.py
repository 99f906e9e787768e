"""fill names

Revision ID: c27b95e1a830
Revises: 3f1c2a9b7d04
Create Date: 2024-03-02 11:05:19.004518

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'c27b95e1a830'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.execute('UPDATE users SET id = id')


def downgrade():
    pass
