"""Stores are paid what they have earned.

Revision ID: 0008
"""

from storage.migrations.beside import refuse, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
