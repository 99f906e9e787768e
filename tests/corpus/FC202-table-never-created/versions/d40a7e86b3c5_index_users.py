"""index users

Revision ID: d40a7e86b3c5
Revises: c27b95e1a830
Create Date: 2024-03-04 09:12:44.120391

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'd40a7e86b3c5'
down_revision = 'c27b95e1a830'
branch_labels = None
depends_on = None


def upgrade():
    op.create_index('ix_users_phone', 'users', ['phone'])


def downgrade():
    op.drop_index('ix_users_phone', 'users')
