"""Several certificates in one use; holds, captures, and what a store gives back.

Revision ID: 0003
"""

from storage.migrations.beside import refuse, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
