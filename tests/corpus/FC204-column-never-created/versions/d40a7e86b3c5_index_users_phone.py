"""index users.phone

Revision ID: d40a7e86b3c5
Revises: 3f1c2a9b7d04
Create Date: 2024-03-04 09:12:44.120391

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'd40a7e86b3c5'
down_revision = '3f1c2a9b7d04'
branch_labels = None
depends_on = None


def upgrade():
    op.create_index('ix_users_phone', 'users', ['phone'])


def downgrade():
    op.drop_index('ix_users_phone', 'users')
