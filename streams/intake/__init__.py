"""From raw bytes to documents: tolerant towards the outside, strict towards the inside. Pure."""

from streams.intake.reader import Intake
from streams.intake.watchlist import Alias, Entity, WatchList

__all__ = ["Alias", "Entity", "Intake", "WatchList"]
