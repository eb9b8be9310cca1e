"""Entity Matching: finds the record of a master list that a messy record denotes."""
