"""add users.country

Revision ID: f3b6802c9d17
Revises: a9d2c71e40b8
Create Date: 2024-02-05 12:00:00.000000

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = 'f3b6802c9d17'
down_revision: Union[str, Sequence[str], None] = 'a9d2c71e40b8'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column('users', sa.Column('country', sa.String(length=120), nullable=True))


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_column('users', 'country')
