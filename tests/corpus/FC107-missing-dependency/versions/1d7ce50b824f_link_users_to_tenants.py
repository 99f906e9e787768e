"""link users to tenants

Revision ID: 1d7ce50b824f
Revises: 3f1c2a9b7d04
Create Date: 2024-02-10 14:30:00.000000

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '1d7ce50b824f'
down_revision: Union[str, Sequence[str], None] = '3f1c2a9b7d04'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = '5be1f09a73c6'


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column('users', sa.Column('tenant', sa.String(length=120), nullable=True))


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_column('users', 'tenant')
