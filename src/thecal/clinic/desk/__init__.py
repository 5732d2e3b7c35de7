"""The desk: the board of every pump, bookings, tries to reach people, tasks, field notices and calendar feeds.

In come the record and what people enter; out come rows, or refusals. Nothing here talks to a pump: the board is read
off the record. What depends on today is computed when it is asked, so that no line is wrong because a night went by.
"""
