"""The page's files, read once from the package: what is not among them cannot be asked for, whatever a path says."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
    "txt": "text/plain; charset=utf-8",
    "md": "text/plain; charset=utf-8",
}
INDEX: Final = "index.html"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file: its bytes, its type, its ETag."""

    body: bytes
    content_type: str
    etag: str


def read_files() -> dict[str, StaticFile]:
    """Return all files under ``static`` by their path, such as ``vendor/preact.js``."""
    return dict(_walk(files("haproxy_telemetry.viewer") / "static", ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("."):
            found.append((prefix + entry.name, _file(entry)))
    return found


def _file(entry: Traversable) -> StaticFile:
    body = entry.read_bytes()
    # A licence has no extension.
    content_type = TYPES.get(entry.name.rpartition(".")[2].lower(), TYPES["txt"])
    return StaticFile(body, content_type, f'"{sha256(body).hexdigest()[:32]}"')
