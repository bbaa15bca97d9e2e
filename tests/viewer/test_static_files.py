"""The page's files: with the right types, and nothing that is not among them."""

from __future__ import annotations

import socket

import pytest

from haproxy_telemetry.viewer.statics import read_files
from viewer.running import Running


def test_each_file_has_a_type_and_a_tag(viewer: Running) -> None:
    files = read_files()
    assert "index.html" in files
    for path, file in files.items():
        reply = viewer.ask(f"/static/{path}")
        assert (reply.status, reply.body, reply.content_type) == (200, file.body, file.content_type)
        assert viewer.ask(f"/static/{path}", headers={"If-None-Match": f'"x", W/{file.etag}'}).status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..\\app.py",
        "/static/",
        "/static/vendor",
        "/static/index.html%00.js",
        "/static/index.html/",
    ],
)
def test_no_path_leads_out(viewer: Running, path: str) -> None:
    with socket.create_connection(("127.0.0.1", viewer.port)) as raw:  # a client library would tidy the path up
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split(b" ")[1] in (b"404", b"400")
