"""The refill: what should be left, what was found, which syringe, how much goes in, the line to the tip, and telling
the pump.

In come a session at a pump and what people enter at each step; out come findings, refusals as values, and rows of the
record.
No dose is computed here: the arithmetic is therapy's. Fluid moves by hands; the pump is only ever told.
"""
