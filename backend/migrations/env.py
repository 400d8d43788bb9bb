"""Alembic's entry: runs the migrations on the engine that `store.migrations` hands over."""

from alembic import context

from backend.tables import Table

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    # batch mode: SQLite changes a table by making it anew
    context.configure(connection=connection, target_metadata=Table.metadata, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()
