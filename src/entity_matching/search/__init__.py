"""Candidate search: which reference records a source record is worth comparing with."""

from entity_matching.search.base import Hits, Searcher
from entity_matching.search.candidates import Candidates
from entity_matching.search.union import CandidateIndex

__all__ = ["CandidateIndex", "Candidates", "Hits", "Searcher"]
