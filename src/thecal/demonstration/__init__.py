"""A clinic to look at: made-up patients from one scenario file, whose histories come of running their pumps.

In comes the file; out come pumps that ran and a record that the clinic's own functions wrote. Nothing is inserted that
did not happen.
"""
