"""Is it any good: numbers and texts in, verdicts out. Knows no takes."""
