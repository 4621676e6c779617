"""Bank transfers as the operator's bank tells of them: an account statement, camt.053 or CSV, read whole or not at all.

There is nobody to ask: what the statement says is what is known. `read` believes no more of it than it can check.
"""

from payments.bank_camt import read_camt
from payments.bank_csv import read_csv
from payments.bank_lines import Fault, Statement, StatementLine, StatementRefused

__all__ = ["LARGEST", "Fault", "Statement", "StatementLine", "StatementRefused", "read"]

LARGEST = 32 * 1024 * 1024
"""Bytes of a file: about 60,000 camt.053 entries with their details."""

_MARK = b"\xef\xbb\xbf"


def read(name: str, data: bytes) -> Statement:
    """The statement in a file. It is camt.053 when `name` ends in .xml or the content begins as XML does, else CSV.

    Raises StatementRefused, naming line and fault of everything that is wrong; and nothing else, whatever the bytes are.
    """
    if len(data) > LARGEST:
        raise StatementRefused([Fault(1, f"the file is larger than {LARGEST // 1024 // 1024} MB")])
    if name.lower().endswith(".xml") or data.removeprefix(_MARK).lstrip().startswith(b"<"):
        return read_camt(data)
    return read_csv(data)
