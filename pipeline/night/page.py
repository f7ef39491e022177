"""The digest as people read it: a page for the browser, and Markdown for Prefect.

The page (`page.html`) is one file without scripts; it plays the takes that need ears from where they lie, beside it.
Titles and texts are other people's, and are escaped everywhere.
"""

from __future__ import annotations

import functools
import os
from datetime import datetime
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import jinja2

from pipeline.errors import printable
from pipeline.files import storage_errors, write_json, write_text
from pipeline.night.digest import Digest
from pipeline.words import clock, size_text, speed_text

_MOST = 30  # takes, gaps or problems of one job; the others are in its report


def write_digest(output: Path, digest: Digest) -> Path:
    """Write `digest.json` and `digest.html` into `output`; returns the path of the page. Raises `StorageError`."""
    with storage_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    write_json(output / "digest.json", digest.as_dict())
    page = output / "digest.html"
    write_text(page, digest_html(digest))
    return page


def digest_html(digest: Digest) -> str:
    """The page. Its links lead to what lies beside it in the output folder."""
    disks = [*((job.report.title, job.disk) for job in digest.jobs), ("all that lies here", digest.disk)]
    return _page().render(
        digest=digest,
        failed=digest.of("failed"),
        look=digest.of("look"),
        done=digest.of("done"),
        ears=sum(len(job.ears) for job in digest.jobs),
        gaps=sum(len(job.report.gaps) for job in digest.jobs),
        disks=disks,
        most=_MOST,
    )


@functools.cache
def _page() -> jinja2.Template:
    """The template. Its filter `href` quotes a path: nothing is left that could be a scheme or end the attribute."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.night", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "clock": clock,
        "speed": speed_text,
        "day": _day,
        "href": lambda path: quote(os.fsencode(path)),
        "name": lambda path: PurePosixPath(path).name,
        "size": size_text,
    }
    return environment.get_template("page.html")


def digest_markdown(digest: Digest) -> str:
    """The digest in short, for a Prefect artifact."""
    disk = f"The jobs take {size_text(digest.disk.total)}, {size_text(digest.free_bytes)} are free."
    lines = [
        f"# {digest.verdict}",
        "",
        f"{_day(digest.since)} to {_day(digest.until)}: {clock(digest.rendered_s)} of sound rendered. {disk}",
    ]
    for failure in digest.failures:
        lines += ["", f"**{_plain(failure.name)}**: failed", ""]
        lines += [f"- {_plain(line)}" for line in failure.text.splitlines()[:_MOST] if line.strip()]
    for job in (*digest.of("failed"), *digest.of("look")):
        lines += ["", f"**{_plain(job.report.title)}**: {job.report.status}", ""]
        lines += [
            f"- missing in chapter {gap.chapter} at {clock(gap.at_s)}: {_plain(gap.text)} ({_plain(gap.why)})"
            for gap in job.report.gaps[:_MOST]
        ]
        lines += [
            f"- listen to {_plain(ear.take)}: {_plain(' and '.join(ear.faults) + ' ' + ear.heard_at)}, "
            f"{_plain(ear.where)}"
            for ear in job.ears[:_MOST]
        ]
        lines += [f"- {_plain(str(problem))}" for problem in job.problems[:_MOST]]
    if digest.jobs:
        lines += ["", "| job | status | length | new | disk |", "|---|---|---|---|---|"]
    lines += [
        f"| {_plain(job.report.title)} | {job.report.status} | {clock(job.report.audio_s)} | {clock(job.rendered_s)} "
        f"| {size_text(job.disk.total)} |"
        for job in digest.jobs
    ]
    if digest.devices:
        lines += ["", "| device | takes | sound | times real time |", "|---|---|---|---|"]
    lines += [
        f"| {_plain(name)} | {work.takes} | {clock(work.audio_s)} | {speed_text(work.speed_x)} |"
        for name, work in digest.devices.items()
    ]
    return "\n".join(lines) + "\n"


def _day(when: datetime) -> str:
    return f"{when:%a} {when.day} {when:%b, %H:%M}"


def _plain(text: str) -> str:
    """Somebody's text as one line of Markdown, or a cell of a table: with neither HTML nor emphasis."""
    return escape(printable(" ".join(text.split())), quote=False).replace("|", "\\|").replace("*", "\\*")
