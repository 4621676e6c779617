"""Every phone is reached: forms of a message, contents of a gift, media, opt-outs, limits on what is sent.

Revision ID: 0009
"""

from storage.migrations.beside import refuse, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
