"""The books prove themselves: the journal is sealed in a chain of digests; four database roles, each with its own rights.

Revision ID: 0007
"""

from storage.migrations.beside import refuse, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
