"""What the chat model makes of passages, token by token: the parametric memory's keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Creates the table; it is filled when passages are read."""
    op.create_table(
        "states",
        sa.Column("passage", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["passage"], ["passages.id"]),
        sa.PrimaryKeyConstraint("passage"),
    )
