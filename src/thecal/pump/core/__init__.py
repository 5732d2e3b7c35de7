"""The controller of the implant, in the language that CPython and MicroPython share.

Programs, commands and times come in as integers (nanolitres, picolitres per hour, seconds of pump uptime, strokes,
nanograms); strokes and log records go out. Nothing here knows a drug, reads a clock, holds a float, or imports
anything of Thecal. ``run`` allocates nothing.
"""
