"""RBAC: roles, permissions and who has them

Revision ID: rbac_system_init
Revises: dc4e5affd5bc
Create Date: 2025-11-20 12:00:00

"""
from alembic import op
import sqlalchemy as sa


revision = 'rbac_system_init'
down_revision = 'dc4e5affd5bc'
branch_labels = None
depends_on = None


def upgrade():
    role = op.create_table(
        'role',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('name', sa.String(length=64), nullable=False, unique=True),
        sa.Column('description', sa.String(length=255)),
        sa.Column('is_system', sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        'permission',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('code', sa.String(length=80), nullable=False, unique=True),
        sa.Column('description', sa.String(length=255)),
    )
    op.create_table(
        'role_permission',
        sa.Column('role_id', sa.Integer(), sa.ForeignKey('role.id', ondelete='CASCADE'),
                  primary_key=True),
        sa.Column('permission_id', sa.Integer(), sa.ForeignKey('permission.id', ondelete='CASCADE'),
                  primary_key=True),
    )
    op.create_table(
        'user_role',
        sa.Column('user_id', sa.Integer(), sa.ForeignKey('user.id', ondelete='CASCADE'),
                  primary_key=True),
        sa.Column('role_id', sa.Integer(), sa.ForeignKey('role.id', ondelete='CASCADE'),
                  primary_key=True),
    )

    # The roles that every installation has
    op.bulk_insert(role, [
        {'name': 'admin', 'description': 'May do everything', 'is_system': True},
        {'name': 'moderator', 'description': 'Looks after the forum', 'is_system': True},
        {'name': 'player', 'description': 'Everybody else', 'is_system': True},
    ])


def downgrade():
    op.drop_table('user_role')
    op.drop_table('role_permission')
    op.drop_table('permission')
    op.drop_table('role')
