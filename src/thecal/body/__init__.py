"""The body as arrays of floats in named units: what happens to fluid once a stroke has moved it.

Comes in: times and real volumes of strokes, concentrations, volumes of tubes. Goes out: masses in time. It knows no
order, no schedule and no pump, and imports nothing of Thecal.
"""
