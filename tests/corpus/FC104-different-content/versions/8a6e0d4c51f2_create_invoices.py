"""create invoices

Revision ID: 8a6e0d4c51f2
Revises: 3f1c2a9b7d04
Create Date: 2024-02-15 16:40:02

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '8a6e0d4c51f2'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('invoices', sa.Column('id', sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table('invoices')
