"""The `podcast` command."""
