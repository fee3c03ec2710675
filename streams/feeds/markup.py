"""HTML to the text that people see of it."""

from __future__ import annotations

from html.parser import HTMLParser

LONGEST_MARKUP = 200_000
"""Characters of HTML read of one item; a long article has a tenth of it."""

UNSEEN = frozenset(
    "applet audio canvas embed head iframe math noscript object script style svg template title video".split()  # noqa: SIM905
)
BREAKS = frozenset(
    """
    address article aside blockquote br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
    header hr li main nav ol p pre section table td th tr ul
    """.split()  # noqa: SIM905
)


def text_of(markup: str) -> str:
    """The text of ``markup``, a line for each block, without scripts, styles and whatever else is not read.

    >>> text_of("<p>Acme &amp; Co<script>alert(1)</script> <b>falls</b></p><p>Shares down</p>")
    'Acme & Co falls\\nShares down'
    """
    reader = _Reader()
    reader.feed(markup[:LONGEST_MARKUP])
    reader.close()
    return tidy("".join(reader.pieces))


def tidy(text: str) -> str:
    """``text`` with single spaces, without empty lines."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNSEEN:
            self._unseen.append(tag)
        elif tag in BREAKS:
            self.pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            if tag in self._unseen:
                del self._unseen[self._unseen.index(tag) :]
        elif tag in BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))
