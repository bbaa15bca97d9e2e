"""``[admin] listen``: a TCP address, off, or not set; nothing else."""

from __future__ import annotations

import pytest

from haproxy_telemetry.settings import SettingsError, TcpAddress, load_settings


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("off", "off"),
        ("127.0.0.1:9464", TcpAddress("127.0.0.1", 9464)),
        ("[::1]:0", TcpAddress("::1", 0)),
        ("", None),
    ],
)
def test_an_address_off_or_not_set(text: str, meant: object) -> None:
    assert load_settings(None, {"HAPROXY_TELEMETRY_ADMIN_LISTEN": text}, {}).admin.listen == meant


@pytest.mark.parametrize("text", ["OFF", "no", "9464", ":9464", "unix:/a", "udp:a:1", "127.0.0.1:99999"])
def test_anything_else_is_an_error_that_says_what_would_be_right(text: str) -> None:
    with pytest.raises(SettingsError, match=r"HOST:PORT, \[IPV6\]:PORT or off"):
        load_settings(None, {}, {"admin.listen": text})


@pytest.mark.parametrize(("address", "workers"), [("127.0.0.1:7000", "1"), ("127.0.0.1:7002", "3")])
def test_the_pages_are_never_on_the_port_of_spop(address: str, workers: str) -> None:
    with pytest.raises(
        SettingsError, match=f"--admin is '{address}', but listen is 127.0.0.1:7000: .*never on SPOP's port"
    ):
        load_settings(None, {}, {"admin.listen": address, "server.workers": workers})
    assert load_settings(None, {}, {"admin.listen": "127.0.0.1:7003", "server.workers": workers})
    assert load_settings(None, {}, {"admin.listen": "127.0.0.1:0", "listen": ("127.0.0.1:0",)})
