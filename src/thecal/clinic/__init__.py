"""The course of care: programming, refilling, compounding, the board, and the record of all of it.

In come what people decide and what pumps say of themselves; out come rows that are kept, questions that have to be
answered, and refusals with their reason. The clinic computes doses by ``therapy`` alone, reaches pumps through the link
alone (``pumps``), and never edits what was written (promise 12).
"""
