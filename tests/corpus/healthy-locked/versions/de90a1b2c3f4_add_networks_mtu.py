"""add networks.mtu

Revision ID: de90a1b2c3f4
Revises: c27b95e1a830
Create Date: 2024-03-03 11:05:19.004518

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = 'de90a1b2c3f4'
down_revision: Union[str, Sequence[str], None] = 'c27b95e1a830'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column('networks', sa.Column('mtu', sa.String(length=120), nullable=True))


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_column('networks', 'mtu')
