"""Records to a form in which spelling, script and punctuation no longer hide that two are the same."""

from entity_matching.normalize.identifiers import normalize_identifier
from entity_matching.normalize.names import Name, normalize_name
from entity_matching.normalize.table import normalize_table
from entity_matching.normalize.text import normalize_text, normalize_words

__all__ = ["Name", "normalize_identifier", "normalize_name", "normalize_table", "normalize_text", "normalize_words"]
