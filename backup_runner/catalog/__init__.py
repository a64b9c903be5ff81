"""The SQLite database that records what is backed up and where. Nothing else in the program knows SQLite."""

from .database import Catalog
from .lock import CatalogLock

__all__ = ["Catalog", "CatalogLock"]
