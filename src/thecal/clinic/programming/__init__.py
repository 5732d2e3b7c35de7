"""Writing a program: from the record to the text of an order, its judgment, its draft, its signature, and its preview.

- ``order_text``: the order as a text, made from the record and read back; mixtures as rows
- ``judging``: everything that is said about a text (``judged``); with ``achieving`` and ``planned``
- ``signing``: a text kept as an order, with its reasons and near misses (``sign``)
- ``frame``: what a session orders around the program; ``entries``: the fields of a form; ``draft``: apply, undo, redo
- ``finishing``: the program step done, and the session moved on
- ``previewing``: what arrives, now and as proposed, by the twin

Nothing here sends anything to a pump.
"""
