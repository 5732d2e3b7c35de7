"""Thecal: an open intrathecal drug delivery system. Not a medical device; it drives virtual pumps only."""
