"""One file for each format a script may have."""
