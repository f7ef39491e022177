"""What tests of takes share."""

from __future__ import annotations

import pytest

from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings
from tests.support.commands import MakeJob


@pytest.fixture
def job(make_job: MakeJob, settings: Settings) -> Job:
    opened = open_job(make_job(), settings, engine="tone")
    opened.workspace.create()
    return opened
