"""Drug that moves between pools at fixed rates: a tree of pools, what hangs below it, what is given, and the engines.

Comes in: a ``System`` of linear rates, a ``Dosing`` and times. Goes out: a ``Course`` with the error of its own
arithmetic. It knows no anatomy and no drug, and never returns a run that cannot be trusted: that raises.
"""
