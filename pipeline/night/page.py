"""The digest as people read it: a page for the browser, and Markdown for Prefect.

The page is one file without scripts; it plays the takes that need ears from where they lie, beside it. Titles and
texts are other people's, and are escaped everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import Problem
from pipeline.files import atomic_write, storage_errors, write_json
from pipeline.night.digest import Digest, Ear, Failure, JobNight, Missing
from pipeline.words import clock, size_text

_MOST = 30  # takes, gaps or problems of one job; the others are in its report

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5d6671; --line: #dde1e6; --page: #f6f7f8; --card: #fff;
  --link: #0b5cad; --good: #1a7f4b; --look: #a15c00; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4af; --line: #30363d; --page: #14171a;
  --card: #1c2024; --link: #7db7f5; --good: #56c48a; --look: #e5a54b; --bad: #f2877f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 4rem; overflow-wrap: anywhere }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 1.2rem }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem } h3 { font-size: 1rem; margin: 0 }
p, ul { margin: .3rem 0 } ul { padding-left: 1.2rem } a { color: var(--link) }
.soft, small { color: var(--soft) } small { font-size: .86rem }
.figures { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0; padding: 0; list-style: none }
.figures li, .card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem }
.figures li { flex: 1 1 7.5rem; padding: .6rem .9rem } .figures b { display: block; font-size: 1.3rem }
.card { padding: .9rem 1rem; margin: .7rem 0; border-left: .3rem solid var(--good) }
.card.look { border-left-color: var(--look) } .card.failed { border-left-color: var(--bad) }
.look > h3 > span { color: var(--look) } .failed > h3 > span { color: var(--bad) }
h3 > span { font-weight: 400; font-size: .9rem; float: right; margin-left: 1rem }
blockquote { margin: .2rem 0; font-family: Georgia, serif }
.item { border-top: 1px solid var(--line); margin-top: .8rem; padding-top: .7rem }
audio { display: block; width: 100%; height: 2.5rem; margin-top: .4rem }
.row + .row { border-top: 1px solid var(--line); margin-top: .6rem; padding-top: .6rem }
pre { white-space: pre-wrap; margin: .4rem 0; font-size: .9rem }
table { width: 100%; border-collapse: collapse } td, th { padding: .35rem 0 .35rem .8rem; text-align: right;
  white-space: nowrap }
@media (max-width: 34rem) { .figures li { flex-basis: 40% } td, th { font-size: .86rem } }
td:first-child, th:first-child { text-align: left; white-space: normal; padding-left: 0 }
tr + tr { border-top: 1px solid var(--line) }
th { font-weight: 400; color: var(--soft) } td { font-variant-numeric: tabular-nums }
"""


def write_digest(output: Path, digest: Digest) -> Path:
    """Write `digest.json` and `digest.html` into `output`; gives back the page. Raises `StorageError`."""
    with storage_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    write_json(output / "digest.json", digest.as_dict())
    page = output / "digest.html"
    atomic_write(page, digest_html(digest).encode())
    return page


def digest_html(digest: Digest) -> str:
    """The page. Its links lead to what lies beside it in the output folder."""
    failed, look, done = digest.of("failed"), digest.of("look"), digest.of("done")
    parts = [
        f"<p class=soft>{_day(digest.since)} to {_day(digest.until)}</p>",
        f"<h1>{escape(digest.verdict)}</h1>",
        _figures(digest),
        *_section("Failed", [*map(_failure, digest.failures), *map(_job, failed)]),
        *_section("Needs you", map(_job, look)),
        *_section("Waiting", [f"<p>{escape(', '.join(digest.waiting))}</p>"] if digest.waiting else []),
        *_section("Done", [f"<article class=card>{''.join(map(_row, done))}</article>"] if done else []),
        *_section("Devices", [_devices(digest)] if digest.devices else []),
        *_section("Disk", [_disk(digest)]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(digest.verdict)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def digest_markdown(digest: Digest) -> str:
    """The same in short, for a Prefect artifact."""
    disk = f"The jobs take {size_text(digest.disk.total)}, {size_text(digest.free_bytes)} are free."
    lines = [
        f"# {digest.verdict}",
        "",
        f"{_day(digest.since)} to {_day(digest.until)}: {clock(digest.rendered_s)} of sound rendered. {disk}",
    ]
    for failure in digest.failures:
        lines += ["", f"**{_plain(failure.name)}**: failed", ""]
        lines += [f"- {_plain(line)}" for line in failure.text.splitlines()[:_MOST]]
    for job in (*digest.of("failed"), *digest.of("look")):
        lines += ["", f"**{_plain(job.title)}**: {job.status}", ""]
        lines += [
            f"- missing in chapter {_plain(gap.chapter)} at {clock(gap.at_s)}: {_plain(gap.text)} ({_plain(gap.why)})"
            for gap in job.gaps[:_MOST]
        ]
        lines += [
            f"- listen to {_plain(ear.take)}: {_plain(' and '.join(ear.faults))}, {_plain(ear.where)}"
            for ear in job.ears[:_MOST]
        ]
        lines += [f"- {_plain(str(problem))}" for problem in job.problems[:_MOST]]
    lines += _rows(
        ("job", "status", "length", "new", "disk"),
        (
            (job.title, job.status, clock(job.audio_s), clock(job.rendered_s), size_text(job.disk.total))
            for job in digest.jobs
        ),
    )
    lines += _rows(
        ("device", "takes", "sound", "times real time"),
        ((name, str(work.takes), clock(work.audio_s), f"{work.speed_x:.1f}") for name, work in digest.devices.items()),
    )
    return "\n".join(lines) + "\n"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown; nothing where it would be empty."""
    told = [f"| {' | '.join(map(_plain, row))} |" for row in rows]
    return ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *told] if told else []


def _section(title: str, cards: Iterable[str]) -> Iterator[str]:
    """A heading and what is under it; nothing where there is nothing."""
    inside = list(cards)
    if inside:
        yield f"<h2>{title}</h2>"
        yield from inside


def _figures(digest: Digest) -> str:
    figures = {"of sound rendered": clock(digest.rendered_s)}
    ears, gaps = sum(len(job.ears) for job in digest.jobs), sum(len(job.gaps) for job in digest.jobs)
    figures |= {"takes need ears": f"{ears}"} if ears else {}
    figures |= {"gaps": f"{gaps}"} if gaps else {}
    figures["free on the disk"] = size_text(digest.free_bytes)
    items = (f"<li><b>{value}</b><small>{name}</small></li>" for name, value in figures.items())
    return f"<ul class=figures>{''.join(items)}</ul>"


def _failure(failure: Failure) -> str:
    return (
        f"<article class='card failed'><h3>{escape(failure.name)}<span>failed</span></h3>"
        f"<small>{_day(failure.at)}</small><pre>{escape(failure.text)}</pre></article>"
    )


def _job(job: JobNight) -> str:
    """A job that somebody has to look at."""
    label = {"failed": "failed", "partial": "not complete", "done": "listen"}[job.status]
    parts = [
        f"<article class='card {job.verdict}'>{_title(job, label)}",
        *_some([_missing(gap) for gap in job.gaps], "gaps", job),
        *_some([_ear(ear) for ear in job.ears], "takes", job),
        *_some([_problem(problem) for problem in job.problems], "things to look at", job),
        _files(job),
        "</article>",
    ]
    return "\n".join(parts)


def _row(job: JobNight) -> str:
    """A job that is done."""
    return f"<div class=row>{_title(job, '')}{_files(job)}</div>"


def _title(job: JobNight, label: str) -> str:
    title = escape(job.title)
    title = f"<a href='{_href(job.report)}'>{title}</a>" if job.report else title
    new = f"{clock(job.rendered_s)} new" if job.rendered_s else "nothing new"
    facts = (f"{clock(job.audio_s)} long", new, _day(job.finished_at), size_text(job.disk.total))
    mark = f"<span>{label}</span>" if label else ""
    return f"<h3>{title}{mark}</h3><small>{' · '.join(facts)}</small>"


def _files(job: JobNight) -> str:
    links = (f"<a href='{_href(name)}'>{escape(Path(name).name)}</a>" for name in job.files[:_MOST])
    return f"<p><small>{' · '.join(links)}</small></p>" if job.files else ""


def _some(items: Sequence[str], what: str, job: JobNight) -> Iterator[str]:
    """The first of many, and how many more there are."""
    yield from (f"<div class=item>{item}</div>" for item in items[:_MOST])
    if more := len(items) - _MOST:
        yield f"<div class=item><small>and {more} more {what}, see the report</small></div>" if more > 0 else ""


def _ear(ear: Ear) -> str:
    sound = f"<audio controls preload=none src='{_href(ear.take)}'></audio>" if ear.take else "<p>The take is gone.</p>"
    return (
        f"<blockquote>{escape(ear.text)}</blockquote>"
        f"<small><b>{escape(' and '.join(ear.faults))}</b> · {escape(ear.where)}</small>{sound}"
    )


def _missing(gap: Missing) -> str:
    return (
        f"<blockquote>{escape(gap.text)}</blockquote>"
        f"<small><b>missing</b> in chapter {escape(gap.chapter)} at {clock(gap.at_s)} · {escape(gap.why)}</small>"
    )


def _problem(problem: Problem) -> str:
    where = f"<small>{escape(problem.where)}</small>"
    return f"<p>{escape(problem.what)} <span class=soft>{escape(problem.next)}</span></p>{where}"


def _devices(digest: Digest) -> str:
    return _table(
        ("device", "takes", "sound", "times real time"),
        ((name, str(work.takes), clock(work.audio_s), f"{work.speed_x:.1f}") for name, work in digest.devices.items()),
    )


def _disk(digest: Digest) -> str:
    used = [(job.title, job.disk) for job in digest.jobs] + [("all that lies here", digest.disk)]
    return _table(
        ("job", "takes", "chapters", "files", "all"),
        ((name, *map(size_text, (disk.takes, disk.chapters, disk.deliverables, disk.total))) for name, disk in used),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = (f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{''.join(body)}</table>"


def _href(path: str) -> str:
    """A link to a file beside the page; quoting leaves nothing that could be a scheme or end the attribute."""
    return quote(path)


def _day(when: datetime) -> str:
    return f"{when:%a} {when.day} {when:%b, %H:%M}"


def _plain(text: str) -> str:
    """Text in a line or a cell of Markdown."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("*", "\\*")
