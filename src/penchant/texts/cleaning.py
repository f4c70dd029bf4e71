"""Makes any string fit for a tokenizer: one line, no control characters, of bounded length."""

from __future__ import annotations

import re
from typing import Final

MOST_TOKEN_CHARACTERS: Final = 32
"""No text is read to more characters than so many for each token."""

# Control characters, the byte-order mark, and what stands for no character.
_ODD: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufeff\ufff0-\uffff]+")


def clean(text: str, max_tokens: int) -> str:
    """Return a text on one line, without what is no text, cut far behind its last token.

    Parameters
    ----------
    text
        Any string; halves of a surrogate pair become question marks.
    max_tokens
        Tokens that will be read of it.

    Notes
    -----
    The cost is that of the part that is kept: a text of 100,000 characters is cut first. Cleaning
    twice is cleaning once.

    Examples
    --------
    >>> clean("  Soap\\x00 bar,\\n\\t2 pieces ", max_tokens=8)
    'Soap bar, 2 pieces'
    """
    most = max_tokens * MOST_TOKEN_CHARACTERS
    text = text[: 2 * most]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if not text.isprintable():
        text = _ODD.sub(" ", text)
    return " ".join(text.split())[:most].rstrip()
