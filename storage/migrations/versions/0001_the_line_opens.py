"""The line opens: members, catalogue, certificates, gifts, codes; ledger, inbox, outbox, conversations.

Revision ID: 0001
"""

from storage.migrations.beside import refuse, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
