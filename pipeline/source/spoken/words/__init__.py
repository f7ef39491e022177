"""Families of words: abbreviations, capitals, Roman numerals, addresses, signs."""
