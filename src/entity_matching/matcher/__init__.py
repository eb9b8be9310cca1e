"""The whole decision: exact stage, candidates, scores, calibrated confidence, decision, reason."""

from entity_matching.matcher.artifact import is_model
from entity_matching.matcher.matcher import Matcher, crossvalidate, match

__all__ = ["Matcher", "crossvalidate", "is_model", "match"]
