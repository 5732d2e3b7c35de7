"""Where virtual pumps live: the process that hosts them, and the one service that links to them.

In come a folder and what its owner asks for over a local socket; out come pumps that keep delivering. The rig never
decides what a pump delivers, and it never says of a request that it came from near by: that is placed, in ``control``.
"""
