"""The record: what is kept, and that it is never edited.

In come rows; out come rows, in one transaction each time, with an account of who did it. Two kinds of tables: *kept*
ones, which the database itself refuses to change, and *living* ones, whose present state may be looked up quickly and
whose every change leaves an act behind. The record knows no dose, no drug and no screen.
"""

from thecal.clinic.record.store import Record, Store
from thecal.clinic.record.unusable import StoreError

__all__ = ["Record", "Store", "StoreError"]
