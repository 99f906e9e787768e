"""Track the eggs imported from Pterodactyl

Revision ID: ptero_eggs_001
Revises:
Create Date: 2025-11-20 00:45:00

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = 'ptero_eggs_001'
down_revision = None  # Update this to the latest migration before running
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'ptero_egg',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('name', sa.String(120), nullable=False),
        sa.Column('author', sa.String(120), nullable=True),
        sa.Column('docker_image', sa.String(255), nullable=True),
        sa.Column('startup', sa.Text(), nullable=True),
        sa.Column('imported_at', sa.DateTime(), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('uuid'),
    )

    # Which egg each server was installed from
    op.create_table(
        'ptero_egg_install',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('egg_id', sa.Integer(), nullable=False),
        sa.Column('server_id', sa.Integer(), nullable=False),
        sa.Column('egg_version', sa.String(32), nullable=True),
        sa.Column('installed_at', sa.DateTime(), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(['egg_id'], ['ptero_egg.id']),
        sa.ForeignKeyConstraint(['server_id'], ['server.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
    )


def downgrade():
    op.drop_table('ptero_egg_install')
    op.drop_table('ptero_egg')
