"""Synthetic source records made from the reference, by noise that the domain is known for."""

from entity_matching.noise.agreement import disagreement
from entity_matching.noise.decoys import decoy_records
from entity_matching.noise.profile import ColumnProfile, profile_source
from entity_matching.noise.records import exact_records, noisy_records

__all__ = ["ColumnProfile", "decoy_records", "disagreement", "exact_records", "noisy_records", "profile_source"]
