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

NEWS = (
    "Armed conflicts and attacks",
    "Arts and culture",
    "Business and economy",
    "Disasters and accidents",
    "Health and environment",
    "International relations",
    "Law and crime",
    "Politics and elections",
    "Science and technology",
    "Sports",
)
"""Taxonomy ``news``: the headings of Wikipedia's portal of current events."""

ASPECTS = (
    "Battery | Power",
    "Design | Size",
    "Ease of Use",
    "Features | Software",
    "Performance | Speed",
    "Picture | Screen",
    "Price | Value",
    "Quality | Durability",
    "Service | Support",
    "Sound | Calls",
)
"""Taxonomy ``aspects``: what a review of a product speaks of."""

TAXONOMIES: dict[str, tuple[str, ...]] = {"finance": FINANCE, "news": NEWS, "aspects": ASPECTS}
"""Taxonomies that the trainer knows; a release names those it was trained on."""
