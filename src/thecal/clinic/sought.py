"""Words that people look for, as the record compares them: without accents, in small letters, however they were typed.

The same letter can be one character or two, with or without its accent, large or small; all of them find each other.
"""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """A text as it is kept to be searched, and as what is looked for is compared with it."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in unicodedata.normalize("NFKD", apart.casefold()) if not unicodedata.combining(c))


def sought(text: str, most: int = 8) -> list[str]:
    """The words of a search, each to be found in any place; up to ``most`` of them count."""
    return folded(text).split()[:most]
