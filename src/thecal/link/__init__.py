"""What is said to a pump, who may say it, and how it is protected; and a client for which "not known" is a state.

In come requests of a role, out go answers of the pump. The pump alone decides: nothing here computes a dose. Messages
are listed once, in ``catalogue``; protection is OSCORE over CoAP, which a maintained library carries out.
"""
