"""A pair of records -> similarity features, in bulk."""

from entity_matching.features.block import Block, Feature
from entity_matching.features.pairs import Pairs, TextLimits
from entity_matching.features.table import FeatureSpace

__all__ = ["Block", "Feature", "FeatureSpace", "Pairs", "TextLimits"]
