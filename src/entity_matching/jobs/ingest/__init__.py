"""What comes in: found, read, judged row by row, measured, and merged into bronze."""
