"""Problems of banks as one line each: which file or value, what is wrong with it, what to do."""

from __future__ import annotations

from selection.errors import SelectionError


class BankError(SelectionError, ValueError):
    """A bank, a row, a record or an option was refused; the bank is as it was."""
