"""TLS for both transports: the files that the variables name, checked at the start by loading them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from haproxy_telemetry.otlp.signals import Signal
from haproxy_telemetry.otlp.variables import Environ, ExportConfigError, of_signal

T = TypeVar("T")


class Tls(NamedTuple):
    """Whom to trust, and what to show, in two forms: a context for HTTP, and the PEM texts that gRPC wants.

    ``authorities`` is ``None`` where the system's are meant and cannot be found as files; ``certificate`` and ``key``
    are ``None`` where nothing is shown.
    """

    context: ssl.SSLContext
    authorities: bytes | None
    certificate: bytes | None
    key: bytes | None


def read_tls(environ: Environ, signal: Signal) -> Tls:
    """Read ``OTEL_EXPORTER_OTLP_CERTIFICATE``, ``…_CLIENT_CERTIFICATE`` and ``…_CLIENT_KEY``, and what they name."""
    ca_name, ca = _file(environ, signal, "CERTIFICATE")
    context = _load(ca_name, ca, lambda: ssl.create_default_context(cafile=ca or None))
    cert_name, cert = _file(environ, signal, "CLIENT_CERTIFICATE")
    key_name, key = _file(environ, signal, "CLIENT_KEY")
    if key and not cert:
        raise ExportConfigError(key_name, key, "a key without a certificate", f"set {cert_name} too")
    if cert:
        _load(cert_name, cert, lambda: context.load_cert_chain(cert, key or None))
    return Tls(
        context,
        Path(ca).read_bytes() if ca else system_authorities(),
        Path(cert).read_bytes() if cert else None,
        Path(key or cert).read_bytes() if cert else None,  # the key may be in the certificate's file
    )


def check_files(environ: Environ, signal: Signal) -> None:
    """Refuse a variable that names no file, where nothing is encrypted and none is read."""
    for suffix in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        _file(environ, signal, suffix)


def system_authorities() -> bytes | None:
    """Return the system's authorities as one PEM text: OpenSSL's file, or all in its folder; ``None`` without."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return Path(paths.cafile).read_bytes()
    if not paths.capath:
        return None
    hashed = sorted(Path(paths.capath).glob("*.[0-9]"))  # as OpenSSL itself finds them
    return b"\n".join(one.read_bytes() for one in hashed if one.is_file()) or None


def _file(environ: Environ, signal: Signal, suffix: str) -> tuple[str, str]:
    name, value = of_signal(environ, signal, suffix)
    if value and not Path(value).is_file():
        raise ExportConfigError(name, value, "no such file", "give the path of a PEM file that the agent may read")
    return name, value


def _load(variable: str, value: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except OSError as error:  # ssl.SSLError is one
        raise ExportConfigError(variable, value, f"not usable ({error})", "give a PEM file that is valid") from error
