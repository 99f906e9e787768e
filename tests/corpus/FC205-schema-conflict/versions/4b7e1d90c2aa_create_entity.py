"""create entity

Revision ID: 4b7e1d90c2aa
Revises: 
Create Date: 2024-02-05 10:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '4b7e1d90c2aa'
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'entity',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )


def downgrade():
    op.drop_table('entity')
