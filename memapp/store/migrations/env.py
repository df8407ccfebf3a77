"""Runs migrations on the connection that the store hands over."""

from __future__ import annotations

from alembic import context

from memapp.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
