"""Ditto: a language model fine-tuned on pairs of records (Li et al., VLDB 2020)."""
