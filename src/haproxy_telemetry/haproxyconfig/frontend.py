"""The lines for each `frontend` (or `listen`) that is traced."""

from __future__ import annotations

from haproxy_telemetry.haproxyconfig import record
from haproxy_telemetry.haproxyconfig.context import context_rules, sending_rules
from haproxy_telemetry.haproxyconfig.options import SPOE, Options
from haproxy_telemetry.haproxyconfig.text import Rule, target, word
from haproxy_telemetry.settings.address import UnixAddress

LOG_PROFILE = "otel-records"


def frontend_rules(options: Options) -> tuple[Rule, ...]:
    """Return them in the order in which they must stand."""
    if not options.http:
        return (_unique_id(), *_filter(options), _records(options))
    return (
        _unique_id(),
        _inspect_delay(),
        *context_rules(options),
        _time(),
        _request(),
        *_filter(options),
        *sending_rules(options),
        _records(options),
    )


def _unique_id() -> Rule:
    return Rule(
        "All that is told about a stream is put together by this id: SPOE's own ids repeat from one HAProxy to the"
        " next, and since 3.1 from one event to the next. Keep one that you have if it is unique.",
        ("unique-id-format %[uuid]",),
    )


def _inspect_delay() -> Rule:
    return Rule(
        "Without a delay, `tcp-request content` rules may be asked before there is a request. It's no pause: they"
        " run as soon as the headers are in.",
        ("tcp-request inspect-delay 5s",),
    )


def _time() -> Rule:
    return Rule(
        "When the request was there, in microseconds since 1970.",
        ("tcp-request content set-var(txn.otel_t0) date(0,us)",),
    )


def _request() -> Rule:
    return Rule(
        "The request, kept for the record; when that is written the headers are gone. Bounded, so that the record"
        " always fits into its line.",
        (
            f"tcp-request content set-var(txn.otel_m) method,bytes(0,{record.METHOD_BYTES})",
            "tcp-request content set-var-fmt(txn.otel_v) HTTP/%[req.ver]",
            f"tcp-request content set-var(txn.otel_uri) url,bytes(0,{record.TARGET_BYTES})",
            f"tcp-request content set-var(txn.otel_host) req.fhdr(host),bytes(0,{record.HOST_BYTES})",
            f"tcp-request content set-var(txn.otel_ua) req.fhdr(user-agent),bytes(0,{record.USER_AGENT_BYTES})",
        ),
    )


def _filter(options: Options) -> tuple[Rule, ...]:
    if not options.uses_spoe:
        return ()
    why = "The events of this frontend's requests go to the agent; that file says which, and what they tell."
    path = options.spoe_path if options.example is None else SPOE
    return (Rule(why, (f"filter spoe engine otel config {word(path)}",)),)


def _records(options: Options) -> Rule:
    address = options.records.address
    chroot = " With `chroot`, HAProxy looks for this socket inside of it." if isinstance(address, UnixAddress) else ""
    log = f"log {target(address)} len"
    why, lines = _by_profile(options, log) if options.version.has_log_profiles else _by_format(options, log)
    return Rule(_WHY_RECORD + why + chroot, lines)


def _by_profile(options: Options, log: str) -> tuple[str, tuple[str, ...]]:
    """From 3.1 on each `log` line may have a format of its own."""
    line = f"{log} {record.LINE_BYTES} format raw profile {LOG_PROFILE} local0 info"
    if options.log_steps:
        return _WHY_PROFILE + _WHY_STEPS[options.http], (line, *_some_format(options), "log-steps close")
    return _WHY_PROFILE + _WHEN[options.http] + _WHY_NO_STEPS, (line,)


def _by_format(options: Options, log: str) -> tuple[str, tuple[str, ...]]:
    """Up to 3.0 there are two formats: that of all lines, and that of the structured data in those of RFC 5424."""
    text = word(record_format(options))
    if options.keeps_own_log:
        return _WHY_DATA.format(option=_OPTION[options.http]), (
            f"{log} {record.DATA_LINE_BYTES} format rfc5424 local0 info",
            f"log-format-sd {text}",
        )
    return _WHY_FORMAT, (f"{log} {record.LINE_BYTES} format raw local0 info", f"log-format {text}")


def _some_format(options: Options) -> tuple[str, ...]:
    """A format for no log, where there is none: else 3.1.0 writes no record either."""
    wanted = options.version.tells_no_log_without_format and not options.keeps_own_log
    return ("log-format %ci:%cp",) if wanted else ()


def record_format(options: Options) -> str:
    """Return the log-format of the record."""
    write = record.http_format if options.http else record.tcp_format
    several = options.uses_spoe and options.workers > 1
    return write(options.service, with_worker=several, other_sizes=options.version.logs_other_sizes)


_WHY_RECORD = (
    "The record: one line when a stream has really ended, also where HAProxy answered by itself or somebody went"
    " away. Nothing waits for it, and if nobody takes it nothing happens. `option dontlog-normal`, `no log` or"
    " `set-log-level silent` would hold it back.\n"
)
_WHY_PROFILE = (
    "Its format is the log profile at the end of the file, for this line alone: your own log lines and log-format"
    " stay as they are."
)
_WHY_DATA = (
    "It travels as the structured data of RFC 5424, which log lines in other forms have no place for: your own log"
    " lines and log-format stay as they are, and are written at the end of the stream. This frontend or its `defaults`"
    " must have a log-format or `{option}`, and no `option logasap`. It takes the place of a log-format-sd of yours;"
    " other log lines in `format rfc5424` show it, too."
)
_OPTION = {True: "option httplog", False: "option tcplog"}
_WHEN = {
    http: " HAProxy writes all of them when what your format has is known: this frontend or its `defaults` must have"
    f" `{option}`, or a log-format with something that is known at the end only, as %B or %Tt; and no `option"
    " logasap`."
    for http, option in _OPTION.items()
}
_WHY_NO_STEPS = " `log-steps close` would write it in any case, but your own log would then say <BADREQ> for %r."
_WHY_STEPS = {
    True: " `log-steps close` writes it at the end of the stream. Take it out if this frontend gets a log of its own,"
    " and say `option httplog`: with `log-steps` HAProxy keeps no request line, and %r is <BADREQ>.",
    False: " `log-steps close` writes it (and them) at the end of the stream; if you have a `log-steps` line already,"
    " keep that one and see that it names close. 3.1.0 writes none where there is no log-format or `option tcplog`.",
}
_WHY_FORMAT = (
    "Up to 3.0 all log lines of a frontend have one format: logs of this frontend get these lines of JSON too. If it"
    " gets a log of its own, make these lines again without --no-own-log. `option logasap` would write it too early."
)
