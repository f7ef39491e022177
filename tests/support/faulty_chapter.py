"""A chapter of thirty takes, twenty of which have a fault: five each go with another seed, with a lower temperature and
once the text is shorter, three with another prompt, and two never.
"""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.jobs.job import open_job
from pipeline.settings import Settings

_PLACES = (
    "quarry harbour lantern window orchard railway kitchen library mountain river garden market bridge chapel pass "
    "station forest meadow tavern castle village school lighthouse theatre cellar attic courtyard stable mill pier"
).split()
FAULTS = (
    *(("seed", kind) for kind in ("clipped", "cut_end", "inner_silence", "loop", "leading_silence")),
    *(("temperature", kind) for kind in ("music", "noise", "drone", "runaway", "music")),
    *(("split", kind) for kind in ("slow", "fast", "too_short", "slow", "fast")),
    *(("prompt", "wrong_voice") for _number in range(3)),
    *(("never", kind) for kind in ("clipped", "noise")),
)


def write_faulty_chapter(folder: Path, machine: Settings, engine: str = "faulty") -> Path:
    """The manifest. The plan of faults is `faults.json` beside it, which `PODCAST_FAULTS` has to name already."""
    turns = [
        f"At the {place} they waited for the last of the evening boats to come in from the sea. "
        f"Nobody at the {place} had slept, and the keeper said that the wind would turn before the morning came."
        for place in _PLACES
    ]
    manifest, path = folder / "chapter.yaml", folder / "faults.json"
    (folder / "chapter.md").write_text("\n\n---\n\n".join(turns) + "\n")
    manifest.write_text("title: A chapter\nscript: chapter.md\nnarrator: ada\ndeliver: [flac]\n")
    faults = [
        {"text": turn if cure == "split" else turn[:60], "kind": kind, "cure": cure}
        for (cure, kind), turn in zip(FAULTS, turns, strict=False)
    ]
    path.write_text(json.dumps({"faults": faults}))
    takes = open_job(manifest, machine, engine=engine).takes  # whose seeds do not depend on which seeds are bad
    assert len(takes) == len(turns)
    for fault, plan in zip(faults, takes, strict=False):
        if fault["cure"] == "seed":
            fault["bad"] = [str(plan.request.seed)]  # type: ignore[assignment]
    path.write_text(json.dumps({"faults": faults}))
    return manifest
