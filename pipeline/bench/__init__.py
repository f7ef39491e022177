"""How fast: everything behind `podcast bench`."""
