"""The code of a syringe: short enough to type, with a last character that shows a slip of the finger.

Thirty-two characters without I, L, O and U; the last one is Luhn's check over that alphabet, which finds every single
wrong character and nearly every swap of two neighbors.
"""

from __future__ import annotations

from hashlib import sha256

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
_LOOKS_LIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


def code_for(clinic: str, preparation_id: int, at_utc_s: int) -> str:
    """The code of one preparation of one clinic, as it is printed: TH-XXXX-XXXX-C."""
    digest = int.from_bytes(sha256(f"{clinic}/{preparation_id}/{at_utc_s}".encode()).digest())
    body = ""
    for _ in range(LENGTH):
        digest, at = divmod(digest, len(ALPHABET))
        body += ALPHABET[at]
    return f"TH-{body[:4]}-{body[4:]}-{_check(body)}"


def normal(code: str) -> str | None:
    """A code as it was scanned or typed, in the form that is printed; None where it is none or was mistyped."""
    letters = code.strip().upper().replace("-", "").replace(" ", "").translate(_LOOKS_LIKE)
    body = letters.removeprefix("TH")
    if len(body) != LENGTH + 1 or any(c not in ALPHABET for c in body) or _check(body[:-1]) != body[-1]:
        return None
    return f"TH-{body[:4]}-{body[4:8]}-{body[8]}"


def _check(body: str) -> str:
    total = 0
    for at, character in enumerate(reversed(body)):
        value = ALPHABET.index(character) * (2 - at % 2)
        total += value // len(ALPHABET) + value % len(ALPHABET)
    return ALPHABET[-total % len(ALPHABET)]
