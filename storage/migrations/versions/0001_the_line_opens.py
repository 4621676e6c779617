"""The line opens: members, catalogue, certificates, gifts, codes; ledger, inbox, outbox, conversations.

Revision ID: 0001
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    """Run the SQL file beside this one as it stands: through the driver, which reads no placeholders into it."""
    op.get_bind().connection.cursor().execute(STATEMENTS.read_text())


def downgrade() -> None:
    """A ledger is never taken back."""
    raise RuntimeError("the first migration cannot be undone: the ledger is append-only")
