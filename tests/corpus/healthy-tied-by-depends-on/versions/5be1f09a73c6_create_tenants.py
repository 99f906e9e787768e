"""create tenants

Revision ID: 5be1f09a73c6
Revises: 
Create Date: 2024-03-02 11:05:19.004518

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '5be1f09a73c6'
down_revision: Union[str, Sequence[str], None] = None
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = '8a6e0d4c51f2'


def upgrade() -> None:
    """Upgrade schema."""
    op.create_table(
        'tenants',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_table('tenants')
