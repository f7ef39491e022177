"""Manifests in, finished audiobook and podcast chapters out.

The package reads like the line it runs:
manifest -> script -> chunks -> takes -> chapters -> deliverables -> report.

From Python:

    import pipeline

    job = pipeline.open_job("manifests/quickstart.yaml")  # read and checked; nothing is rendered yet
    report = pipeline.render_job(job)
    print(report.status, [item.path for item in report.deliverables])

Nothing but the standard library is loaded until one of the names is first used. docs/python.md tells more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.engines import open_engine
    from pipeline.errors import PodcastError, Problem, RequestError
    from pipeline.jobs.job import Job, open_job
    from pipeline.jobs.report import Report
    from pipeline.jobs.stages import render_job
    from pipeline.settings import Settings, load_settings
    from pipeline.source.manifest import Manifest, load_manifest

__version__ = "0.1.0"
__all__ = [
    "Job",
    "Manifest",
    "PodcastError",
    "Problem",
    "Report",
    "RequestError",
    "Settings",
    "load_manifest",
    "load_settings",
    "open_engine",
    "open_job",
    "render_job",
]

_MODULES = {
    "pipeline.engines": ("open_engine",),
    "pipeline.errors": ("PodcastError", "Problem", "RequestError"),
    "pipeline.jobs.job": ("Job", "open_job"),
    "pipeline.jobs.report": ("Report",),
    "pipeline.jobs.stages": ("render_job",),
    "pipeline.settings": ("Settings", "load_settings"),
    "pipeline.source.manifest": ("Manifest", "load_manifest"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """One of `__all__`, whose module is loaded now."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """The public names, for whoever completes them at a prompt."""
    return sorted(__all__)
