"""add 3f1c2a9b7d04

Revision ID: 3f1c2a9b7d04
Revises: 
Create Date: 2024-01-08 09:12:44

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '3f1c2a9b7d04'
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table('users')
