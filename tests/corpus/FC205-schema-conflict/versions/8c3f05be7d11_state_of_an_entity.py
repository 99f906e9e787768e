"""state of an entity

Revision ID: 8c3f05be7d11
Revises: 4b7e1d90c2aa
Create Date: 2024-03-01 09:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '8c3f05be7d11'
down_revision = '4b7e1d90c2aa'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('entity', sa.Column('state', sa.String(20)))


def downgrade():
    op.drop_column('entity', 'state')
