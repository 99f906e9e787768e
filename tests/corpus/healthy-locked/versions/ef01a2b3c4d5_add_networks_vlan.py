"""add networks.vlan

Revision ID: ef01a2b3c4d5
Revises: de90a1b2c3f4
Create Date: 2024-03-04 11:05:19.004518

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = 'ef01a2b3c4d5'
down_revision: Union[str, Sequence[str], None] = 'de90a1b2c3f4'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column('networks', sa.Column('vlan', sa.String(length=120), nullable=True))


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_column('networks', 'vlan')
