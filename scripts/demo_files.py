"""Write the HAProxy files of demo/<profile>/, which are there to be copied: ``python scripts/demo_files.py``.

They are what the demo writes for HAProxy ``COPIED_VERSION``; a test compares both.
"""

from __future__ import annotations

from pathlib import Path

from haproxy_telemetry.demo.files import COPIED_VERSION, PROFILES, demo_files, options_of

FOLDER = Path(__file__).resolve().parent.parent / "demo"


def files() -> dict[Path, str]:
    """Return all of them: path and text."""
    return {
        FOLDER / profile / name: text
        for profile in PROFILES
        for name, text in demo_files(options_of(profile, COPIED_VERSION)).items()
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
