"""How good a match is: figures with intervals, plots, and a report that one file holds."""

from entity_matching.evaluate.metrics import Evaluation, evaluate_matches
from entity_matching.evaluate.report import render_report, write_report

__all__ = ["Evaluation", "evaluate_matches", "render_report", "write_report"]
