"""The lakehouse: a Spark session, the tables of the catalog, and writes that can be repeated."""

from entity_matching.lakehouse.catalog import Lakehouse
from entity_matching.lakehouse.session import open_lakehouse
from entity_matching.lakehouse.settings import LakehouseSettings

__all__ = ["Lakehouse", "LakehouseSettings", "open_lakehouse"]
