"""The database roles: one for each kind of process, made and given their rights by the third migration."""

from enum import StrEnum


class Role(StrEnum):
    """Under which rights a process works. None owns anything, none may change what was posted or sealed."""

    WEB = "giftline_web"
    """Conversations and the doors of providers: posts, files texts; deletes nothing but counters of attempts."""

    WORKER = "giftline_worker"
    """Sends texts, asks for charges, does the chores, seals the journal; sees no PIN, no code, no conversation."""

    CONSOLE = "giftline_console"
    """Stocks the catalogue, imports statements, asks for refunds; sees no PIN, no code, no conversation, no text."""

    AUDITOR = "giftline_auditor"
    """Reads what the books are made of, and neither numbers, names nor words of people; writes nothing."""
