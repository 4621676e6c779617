"""Gifts of several sheets, recalled, or sent on a day the giver chose; and whose phone it is.

Revision ID: 0004
"""

from storage.migrations.beside import refuse, run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
