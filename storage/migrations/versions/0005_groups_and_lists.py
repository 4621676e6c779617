"""Group gifts, which several givers pay in parts, and the gift lists of companies.

Revision ID: 0005
"""

from storage.migrations.beside import refuse, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The SQL file beside this one."""
    run(__file__)


def downgrade() -> None:
    """Never."""
    refuse()
