"""Add OAuth fields to user

Revision ID: oauth_fields
Revises: None
Create Date: 2024-01-01 00:00:00

"""
from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = 'oauth_fields'
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('user') as batch_op:
        batch_op.add_column(sa.Column('oauth_provider', sa.String(32), nullable=True))
        batch_op.add_column(sa.Column('oauth_subject', sa.String(128), nullable=True))
        batch_op.add_column(sa.Column('avatar_url', sa.String(255), nullable=True))
        batch_op.create_unique_constraint(
            'uq_user_oauth_identity', ['oauth_provider', 'oauth_subject']
        )


def downgrade():
    with op.batch_alter_table('user') as batch_op:
        batch_op.drop_constraint('uq_user_oauth_identity', type_='unique')
        batch_op.drop_column('avatar_url')
        batch_op.drop_column('oauth_subject')
        batch_op.drop_column('oauth_provider')
