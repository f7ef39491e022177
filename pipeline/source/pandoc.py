"""Pandoc: the program that reads formats for which there is no reader of this project's own.

In: the bytes of a file and the name of its format. Out: HTML. It runs in its sandbox, where it reads no other file and
visits no address, with bounds on its memory and time. Knows no scripts.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from pipeline.errors import Problem, RequestError

MAX_MEMORY = "1G"
MAX_TIME_S = 120
_MEMORY = re.compile(rb"heap exhausted|heap overflow|stack overflow", re.IGNORECASE)


def convert(data: bytes, kind: str, shown: str) -> bytes:
    """A file of pandoc's input format `kind` ("odt", "rtf", "fb2") as HTML 5 with its metadata in the head.

    Raises `RequestError` where pandoc is not installed, and with pandoc's own words where it cannot read the file.
    """
    # From standard input it takes text; a zip file has to lie somewhere.
    with tempfile.TemporaryDirectory(prefix="podcast-") as folder:
        source, target = Path(folder, f"source.{kind}"), Path(folder, "target.html")
        source.write_bytes(data)
        command = [_program(shown), "+RTS", f"-M{MAX_MEMORY}", "-RTS", "--sandbox", f"--data-dir={folder}"]
        command += [f"--from={kind}", "--to=html5", "--standalone", "--wrap=none", f"--output={target}", str(source)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=MAX_TIME_S, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            raise _refusal(shown, f"pandoc has not read it within {MAX_TIME_S} s.") from None
        except OSError as error:
            raise _refusal(shown, f"pandoc cannot be started ({error.strerror or error}).") from None
        if _MEMORY.search(done.stderr):
            raise _refusal(shown, f"pandoc needs more than {MAX_MEMORY} of memory for it.")
        if done.returncode or not target.is_file():
            words = " ".join(done.stderr.decode("utf-8", "replace").replace(str(source), "the file").split())
            raise _refusal(shown, f"pandoc cannot read it ({words[:200] or f'exit code {done.returncode}'}).")
        return target.read_bytes()


def _program(shown: str) -> str:
    try:
        import pypandoc  # noqa: PLC0415 - an extra that not everybody has

        return str(pypandoc.get_pandoc_path())
    except (ImportError, OSError):
        what = "this format is read by pandoc, which is not installed."
        fix = "Install it with: .venv/bin/pip install --editable '.[office]', or save the file as DOCX."
        raise RequestError(Problem(shown, what, fix)) from None


def _refusal(shown: str, what: str) -> RequestError:
    return RequestError(Problem(shown, what, "Save it as DOCX and use that."))
