"""A code as a symbol that scanners read: a QR code drawn as SVG."""

from __future__ import annotations

import io

import segno


def symbol_svg(payload: str) -> str:
    """The QR code of a text, black on white with its quiet zone, as SVG; ValueError for more than a code holds."""
    out = io.BytesIO()
    try:
        made = segno.make(payload, error="m", micro=False)
    except segno.DataOverflowError as wrong:
        raise ValueError("the text is longer than a QR code holds") from wrong
    made.save(out, kind="svg", xmldecl=False, svgclass=None, lineclass=None, light="#fff", border=4, scale=4)
    return out.getvalue().decode()
