"""state and reason

Revision ID: d19a6e4f3b52
Revises: 4b7e1d90c2aa
Create Date: 2024-03-04 16:45:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'd19a6e4f3b52'
down_revision = '4b7e1d90c2aa'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('entity') as batch_op:
        batch_op.add_column(sa.Column('state', sa.String(20)))
        batch_op.add_column(sa.Column('reason', sa.String(20)))


def downgrade():
    with op.batch_alter_table('entity') as batch_op:
        batch_op.drop_column('reason')
        batch_op.drop_column('state')
