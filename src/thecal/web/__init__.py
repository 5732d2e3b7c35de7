"""Screens: the workplaces of the clinic in a browser.

In come requests of people; out come pages. A page computes no dose and decides nothing: it asks ``clinic`` and says the
answer. Nothing leaves this machine.
"""
