"""Gifts of several sheets, recalled, or sent on a day the giver chose; and whose phone it is.

Revision ID: 0004
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    """Run the SQL file beside this one as it stands: through the driver, which reads no placeholders into it."""
    op.get_bind().connection.cursor().execute(STATEMENTS.read_text())


def downgrade() -> None:
    """A ledger is never taken back."""
    raise RuntimeError("this migration cannot be undone: money has moved")
