"""Pump and body under one clock: a scenario comes in, a trace of what was ordered, delivered and arrived goes out.

The pump is the real controller, let leap from event to event; the body is the same that any other room would use.
Nothing here computes a dose by itself or changes what the controller decides.
"""
