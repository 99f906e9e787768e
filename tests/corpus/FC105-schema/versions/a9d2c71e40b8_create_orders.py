"""create orders

Revision ID: a9d2c71e40b8
Revises: e5093bd7f6a1
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
    op.create_table('orders', sa.Column('id', sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table('orders')
