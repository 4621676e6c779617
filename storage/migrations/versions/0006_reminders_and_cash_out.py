"""How certificates end: reminders, extensions, and what stayed our loss after a chargeback.

Revision ID: 0006
"""

from storage.migrations.beside import refuse, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
