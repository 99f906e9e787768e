from alembic import context
from sqlalchemy import engine_from_config

from panel.models import Base

target_metadata = Base.metadata


def run_migrations_offline():
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online():
    section = context.config.get_section(context.config.config_ini_section)
    with engine_from_config(section, prefix="sqlalchemy.").connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
