"""Takes the pictures of this folder again: python docs/media/take_pictures.py

Renders the examples on the draft voice from a drop folder, beside a manifest with a typing error, and takes a picture
of the digest page in headless Chromium (Debian's package `chromium`). All but the pictures is in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

MEDIA = Path(__file__).parent
MANIFESTS = MEDIA.parents[1] / "manifests"
WIDTH, TALLEST = 900, 3000  # pixels
MOST_BYTES = 200_000
COLOURS = 64  # of the palette: a page of text needs few
MISTAKE = ("Theo: ben", "Theo: benn")


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = render_a_night(folder)
        picture = screenshot(page, folder)
        save(picture, MEDIA / "digest.png")


def render_a_night(folder: Path) -> Path:
    """Render two examples and a manifest with a mistake from a drop folder; gives back the digest page."""
    inbox = folder / "night" / "inbox"
    shutil.copytree(MANIFESTS, inbox)
    text = (inbox / "quickstart.yaml").read_text(encoding="utf-8")
    assert MISTAKE[0] in text
    (inbox / "second-episode.yaml").write_text(text.replace(*MISTAKE), encoding="utf-8")
    home = folder / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PODCAST_", "PREFECT_"))}
    watch = [sys.executable, "-m", "pipeline", "watch", "night", "--once"]
    repository = str(MANIFESTS.parent)
    environment |= {"HOME": str(home), "PREFECT_HOME": str(home), "PYTHONPATH": repository}
    watched = subprocess.run(watch, cwd=folder, env=environment, check=False)
    assert watched.returncode == 1, "one of the three manifests fails"
    return folder / "output" / "digest.html"


def screenshot(page: Path, folder: Path) -> Path:
    """A picture of the whole page, as wide as `WIDTH`."""
    picture = folder / "page.png"
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder / 'chromium'}",
        f"--window-size={WIDTH},{TALLEST}", f"--screenshot={picture}",
    ]  # fmt: skip
    subprocess.run(["chromium", *options, page.as_uri()], check=True, capture_output=True)
    return picture


def save(picture: Path, target: Path) -> None:
    """Cut off the empty rest of the page, and write a PNG with a palette."""
    with Image.open(picture) as page:
        image = page.convert("RGB")
    background = Image.new("RGB", (1, 1), image.getpixel((0, image.height - 1))).resize(image.size)
    _left, top, _right, bottom = ImageChops.difference(image, background).getbbox() or (0, 0, *image.size)
    image = image.crop((0, 0, image.width, min(bottom + top, image.height)))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    assert target.stat().st_size <= MOST_BYTES, f"{target} is larger than {MOST_BYTES} bytes"


if __name__ == "__main__":
    main()
