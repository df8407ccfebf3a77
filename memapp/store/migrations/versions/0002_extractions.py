"""What passages speak of: the phrases and facts that the graph is made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Creates the table; what older passages speak of is found out by `memapp rebuild graph`."""
    op.create_table(
        "extractions",
        sa.Column("passage", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("phrases", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["passage"], ["passages.id"]),
        sa.PrimaryKeyConstraint("passage", "origin"),
    )
