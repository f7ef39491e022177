"""Manifests in, finished audiobook and podcast chapters out.

The package reads like the line it runs:
manifest -> script -> chunks -> takes -> chapters -> deliverables -> report.
"""

__version__ = "0.1.0"
