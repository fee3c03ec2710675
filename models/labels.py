"""The labels a release speaks: sentiment, and topics by taxonomy. Their order is the order of the outputs.

A release carries its own copy in the manifest, and the scorer reads that copy; these are what the trainer
starts from.
"""

from __future__ import annotations

SENTIMENTS = ("negative", "neutral", "positive")
"""Order of every sentiment axis, of documents and of entities."""

FINANCE = (
    "Analyst Update",
    "Fed | Central Banks",
    "Company | Product News",
    "Treasuries | Corporate Debt",
    "Dividend",
    "Earnings",
    "Energy | Oil",
    "Financials",
    "Currencies",
    "General News | Opinion",
    "Gold | Metals | Materials",
    "IPO",
    "Legal | Regulation",
    "M&A | Investments",
    "Macro",
    "Markets",
    "Politics",
    "Personnel Change",
    "Stock Commentary",
    "Stock Movement",
)
"""Taxonomy ``finance``: the names published with the Twitter Financial News topic set, in its order."""

TAXONOMIES: dict[str, tuple[str, ...]] = {"finance": FINANCE}
"""Taxonomies the shipped release is trained on."""
