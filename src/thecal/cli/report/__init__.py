"""One page about one run: it opens offline, asks nobody for anything, and prints in black and white.

An account of a run comes in, text of one HTML file goes out: the same bytes for the same run.
"""

from thecal.cli.report.page import page

__all__ = ["page"]
