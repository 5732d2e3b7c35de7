"""What leaves the house in other people's forms: printed papers and calendars.

In comes what the record holds; out come documents. Nothing is decided here, and nothing is computed that the clinic did
not say.
"""
