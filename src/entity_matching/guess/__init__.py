"""A schema guessed from the columns of two tables: their names and what they hold."""

from entity_matching.guess.build import default_schema, guess_schema
from entity_matching.guess.describe import describe_schema

__all__ = ["default_schema", "describe_schema", "guess_schema"]
