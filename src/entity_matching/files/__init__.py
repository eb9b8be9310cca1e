"""Tables in files: reading and writing them, and the labels file."""

from entity_matching.files.labels import check_labels, labels_of, read_labels
from entity_matching.files.paths import check_output
from entity_matching.files.read import read_table
from entity_matching.files.write import write_table

__all__ = ["check_labels", "check_output", "labels_of", "read_labels", "read_table", "write_table"]
