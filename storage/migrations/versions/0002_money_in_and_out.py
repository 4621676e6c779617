"""Money in and out: charges over every rail, payments, refunds, disputes, bank statements; when certificates expire.

Revision ID: 0002
"""

from storage.migrations.beside import refuse, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
