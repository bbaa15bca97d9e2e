"""Every setting of the agent: name, type, default, unit, bounds, and why it is so.

This is the one place. The file's keys, the environment's names, the command line's flags, the text of
``serve --help`` and ``docs/configuration.md`` are all read off these classes.

Annotations are no texts here, as they are elsewhere: each would be compiled at every start to read it.
"""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from haproxy_telemetry.settings.address import (
    ADMIN_FORMS,
    FORMS,
    MAX_WORKERS,
    RECORDS_FORMS,
    AdminAddress,
    ListenAddress,
    RecordsAddress,
    TcpAddress,
    parse_admin,
    parse_listen,
    parse_records,
)
from haproxy_telemetry.settings.routes import FORMS as ROUTE_FORMS
from haproxy_telemetry.settings.routes import Route, parse_query_key, parse_route

KIB = 1024
MIB = 1024 * KIB

ScopeName = Literal["proc", "sess", "txn", "req", "res"]
ExportKind = Literal["otlp", "console", "file", "none"]
ActionName = Literal["sample", "keep", "drop", "ratio", "rate"]
SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class About(msgspec.Struct, frozen=True):
    """What people read about a setting.

    ``what`` is a phrase for ``--help``, ``why`` the reason for the default and the bounds, ``flag`` its
    name on the command line if it has one, ``metavar`` its value there. ``parse`` makes the value, or an item
    of a list, from a string, whose right form ``form`` says. ``flag_value`` is what the flag means without a value.
    """

    what: str
    why: str
    unit: str = ""
    flag: str = ""
    metavar: str = ""
    form: str = "a text"
    flag_value: str = ""
    parse: Callable[[str], object] | None = None


def parse_path(text: str) -> Path:
    """Return the path that ``text`` writes; an empty one would mean the current directory."""
    if not text or "\0" in text:
        raise ValueError("expected the path of a file")
    return Path(text)


def parse_path_pattern(text: str) -> str:
    """Return a path or a pattern of one; no path that HAProxy sees begins otherwise."""
    if not text.startswith(("/", "*", "?", "[")):
        raise ValueError("expected a path, which begins with /, or a pattern of one")
    return _one_line(text)


def parse_tag(text: str) -> str:
    """Return ``name`` or ``name=value``."""
    if not text.partition("=")[0].strip():
        raise ValueError("expected name or name=value")
    return _one_line(text)


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return the network that ``text`` writes, or the one address as a network."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"expected an address or a network: {error}") from None


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected text that can be printed")
    return text


class DslSettings(msgspec.Struct, frozen=True):
    """How the messages are read."""

    strict: Annotated[
        bool,
        About(
            "read messages as spoa-opentracing does",
            "By default a bad reference or argument spoils only itself, is counted and said once; the"
            " original gives up the rest of the message, and a configuration that relies on that can have"
            " it.",
            flag="--strict-dsl",
        ),
    ] = False


class VariablesSettings(msgspec.Struct, frozen=True):
    """What goes back to HAProxy."""

    scopes: Annotated[
        tuple[ScopeName, ...],
        Meta(min_length=1),
        About(
            "scope of the variables that the agent sets",
            "`txn` outlives the request, so log formats can read it; `req` is what the reference"
            " configuration reads. At least one is needed: HAProxy 3.1.0 loses an answer without a"
            " variable in it.",
            flag="--var-scope",
            metavar="SCOPE",
        ),
    ] = ("txn", "req")


class TraceSettings(msgspec.Struct, frozen=True):
    """How long and how large unfinished traces may become."""

    upstream_span: Annotated[
        str,
        Meta(min_length=1, max_length=255),
        About(
            "name of the span whose id the origin gets as its parent",
            "The origin's span belongs under the span that waited for it. Its id is reserved before that span starts.",
        ),
    ] = "Server session"
    ttl: Annotated[
        float,
        Meta(ge=0.1, le=86400),
        About(
            "time after the last event of a trace until it is exported unfinished",
            "No SPOE event marks the end of a response, so some traces never finish. Five minutes outlive"
            " almost every download; a longer time costs memory. A stream that lasts longer, as a WebSocket may, has"
            " an incomplete trace; its record counts in the metrics all the same. Set it above the longest that you"
            " want to see whole.",
            unit="seconds",
        ),
    ] = 300.0
    max_traces: Annotated[
        int,
        Meta(ge=1, le=10_000_000),
        About(
            "unfinished traces held at once",
            "Past it the oldest one is exported unfinished and counted. Ten thousand are a thousand"
            " requests a second of ten seconds each.",
            unit="traces",
        ),
    ] = 10_000
    max_spans: Annotated[
        int,
        Meta(ge=1, le=100_000),
        About(
            "spans in one trace",
            "A stream has about nine; more than this means an id that many streams share.",
            unit="spans",
        ),
    ] = 128
    max_trace_bytes: Annotated[
        int,
        Meta(ge=KIB, le=1024 * MIB),
        About(
            "messages that one unfinished trace may hold, as they came over the wire",
            "A detailed trace has some kilobytes; one whose tags carry all headers must not crowd out the others.",
            unit="bytes",
        ),
    ] = 256 * KIB
    max_bytes: Annotated[
        int,
        Meta(ge=MIB, le=1024 * 1024 * MIB),
        About(
            "messages that all unfinished traces may hold, as they came over the wire",
            "The bound that keeps the agent alive when many traces are large: ten thousand of the largest"
            " would take ten times as much. In memory a message takes two to seven times its size.",
            unit="bytes",
        ),
    ] = 256 * MIB
    max_attributes: Annotated[
        int,
        Meta(ge=1, le=100_000),
        About(
            "attributes of one span",
            "The default of OpenTelemetry (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT); those beyond it are counted as dropped.",
            unit="attributes",
        ),
    ] = 128
    max_events: Annotated[
        int,
        Meta(ge=1, le=100_000),
        About(
            "events of one span",
            "The default of OpenTelemetry (OTEL_SPAN_EVENT_COUNT_LIMIT); those beyond it are counted as dropped.",
            unit="events",
        ),
    ] = 128
    max_links: Annotated[
        int,
        Meta(ge=1, le=100_000),
        About(
            "links of one span",
            "The default of OpenTelemetry (OTEL_SPAN_LINK_COUNT_LIMIT); those beyond it are counted as dropped.",
            unit="links",
        ),
    ] = 128


class RecordsSettings(msgspec.Struct, frozen=True):
    """The other way in: one log line of HAProxy for each stream, at its true end."""

    listen: Annotated[
        tuple[RecordsAddress, ...],
        Meta(max_length=1024),
        About(
            "address to take records on",
            "Without one, only the messages can end a trace. HAProxy's `log` line names the same address; it never"
            " waits for an answer.",
            flag="--records",
            metavar=RECORDS_FORMS,
            parse=parse_records,
        ),
    ] = ()
    grace: Annotated[
        float,
        Meta(ge=0.001, le=60),
        About(
            "time between the record of a stream and the end of its trace, or the other way round",
            "Records and messages come over different sockets, in any order. On one machine they are a millisecond"
            " apart at most; a busy or distant agent sees them further apart.",
            unit="seconds",
        ),
    ] = 0.2
    phases: Annotated[
        Literal["spans", "events", "off"],
        About(
            "what HAProxy's timers become",
            "Spans show at a glance where the time went: receiving the request, the queue, the connection, the server,"
            " the transfer. Events cost less, and `off` leaves them out.",
        ),
    ] = "spans"


class TailSettings(msgspec.Struct, frozen=True):
    """What is decided when a stream has ended, and is exported whatever was decided before it began."""

    errors: Annotated[
        bool,
        About(
            "keep every stream that failed",
            "Status 500 and above, or cut short by anybody but its client. A ratio alone would lose most of what"
            " people look for.",
        ),
    ] = False
    slow_ms: Annotated[
        int,
        Meta(ge=0, le=86_400_000),
        About(
            "keep every stream that lasted at least so long",
            "0: none is kept for that. What is slow differs from path to path: a rule may have its own `slow_ms`.",
            unit="milliseconds",
        ),
    ] = 0
    retries: Annotated[
        bool,
        About(
            "keep every stream that needed a second attempt",
            "HAProxy retried, or went to another server. Known from records only.",
        ),
    ] = False
    aborts: Annotated[
        bool,
        About(
            "keep every stream that its client ended",
            "It went away or timed out. Known from records only.",
        ),
    ] = False
    ratio: Annotated[
        float,
        Meta(ge=0, le=1),
        About(
            "share of the rest that is kept",
            "Of all new traces, not of those that were sampled before: 0.1 here and 0.5 there is 0.1. A trace that was"
            " not sampled before does not come back by it.",
        ),
    ] = 1.0


Texts = tuple[str, ...]


class RuleSettings(msgspec.Struct, frozen=True):
    """Rules, tried from the first to the last: the first that holds counts. A rule without conditions holds always.

    All conditions of a rule must hold; of several values of one condition any will do. One value needs no brackets.
    """

    frontend: Annotated[
        Texts,
        Meta(max_length=64),
        About("names of frontends", "Shell patterns: `*`, `?`, `[...]`.", form="names"),
    ] = ()
    backend: Annotated[
        Texts,
        Meta(max_length=64),
        About(
            "names of backends",
            "Shell patterns. Mostly known from the record alone: such a rule decides about the export, not about the"
            " flag that went upstream, and the rules behind it wait for it.",
            form="names",
        ),
    ] = ()
    path: Annotated[
        Texts,
        Meta(max_length=64),
        About(
            "paths of requests",
            "Without `*`, `?` and `[` it is the beginning of a path by whole segments: `/health` is `/health/live` too"
            " but not `/healthy`. With them it is a shell pattern for the whole path. The query does not count.",
            form="paths",
            parse=parse_path_pattern,
        ),
    ] = ()
    method: Annotated[
        Texts, Meta(max_length=64), About("methods", "As sent; methods differ by case.", form="names")
    ] = ()
    tag: Annotated[
        Texts,
        Meta(max_length=64),
        About(
            "tags of the messages, `name=value` or `name` alone",
            'So a header decides: `tag=str("tenant") req.hdr(x-tenant)` in the message. The value is a shell pattern.',
            form="name or name=value",
            parse=parse_tag,
        ),
    ] = ()
    network: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Meta(max_length=64),
        About(
            "networks or addresses of clients",
            "Of the connection, as HAProxy's `src` is; a header changes nothing.",
            form="an address or a network such as 10.0.0.0/8",
            parse=parse_network,
        ),
    ] = ()
    action: Annotated[
        ActionName,
        About(
            "what happens",
            "`drop` and `keep` are final. `ratio` and `rate` bound what a caller wants and decide for new traces; the"
            " end of the stream may still keep what they leave out. `sample`: the sampler decides, and the rule gives"
            " `slow_ms`.",
        ),
    ] = "sample"
    ratio: Annotated[
        float | None, Meta(ge=0, le=1), About('share that `action = "ratio"` keeps', "Consistent by trace id.")
    ] = None
    per_second: Annotated[
        float | None,
        Meta(ge=0.001, le=100_000),
        About(
            'traces in any second that `action = "rate"` keeps',
            "Below 1 it is one in several seconds. How many traces stand behind one is not known then, and none is"
            " written to the tracestate.",
            unit="traces a second",
        ),
    ] = None
    slow_ms: Annotated[
        int | None,
        Meta(ge=1, le=86_400_000),
        About("what is slow here", "In place of `slow_ms` of `[sampling.tail]`.", unit="milliseconds"),
    ] = None

    @property
    def problem(self) -> tuple[str, str] | None:
        """The key that does not go with the action, and what would; ``None`` if all is well."""
        for action, key, value in (("ratio", "ratio", self.ratio), ("rate", "per_second", self.per_second)):
            if self.action == action and value is None:
                return key, f'it is needed for action = "{action}"'
            if self.action != action and value is not None:
                return key, f'it goes with action = "{action}"'
        if self.action in ("keep", "drop") and self.slow_ms is not None:
            return "slow_ms", f'action = "{self.action}" is final, however long it takes'
        if self.action == "sample" and self.slow_ms is None:
            return "action", "the rule would change nothing; expected keep, drop, ratio, rate or slow_ms"
        return None


class SamplingSettings(msgspec.Struct, frozen=True):
    """Which traces are exported. SIGHUP reads this part anew, without a restart. See sampling.md."""

    sampler: Annotated[
        SamplerName | None,
        About(
            "the sampler, by OpenTelemetry's names",
            "The same as OTEL_TRACES_SAMPLER, for those who want to change it by SIGHUP. To say it in both places is an"
            " error. Without either it is `parentbased_always_on`.",
            metavar="NAME",
        ),
    ] = None
    ratio: Annotated[
        float | None,
        Meta(ge=0, le=1),
        About(
            "share of new traces that is sampled",
            "For `traceidratio` and `parentbased_traceidratio`; alone it means the latter.",
        ),
    ] = None
    drop: Annotated[
        Texts,
        Meta(max_length=64),
        About(
            "paths that are never traced",
            'Health checks and monitoring: `drop = ["/healthz", "/metrics"]` is a rule before all others.',
            form="paths",
            parse=parse_path_pattern,
        ),
    ] = ()
    tail: TailSettings = TailSettings()
    rules: tuple[RuleSettings, ...] = ()


class HttpSettings(msgspec.Struct, frozen=True):
    """What spans say of HTTP. Which methods have a name, `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` says."""

    routes: Annotated[
        tuple[Route, ...],
        Meta(max_length=1000),
        About(
            "template that becomes `http.route` and part of the span's name",
            "A path has ids in it, so that no two requests would be called the same; a template such as"
            " `/users/{id}` is one of few. The first that matches counts; `{id}` is one segment that is not empty,"
            " `{*rest}`, as the last one, all that is left behind its slash. Paths are compared as the client sent"
            " them; `GET /users/{id}` is for that method alone. A path that none matches has no route.",
            metavar="TEMPLATE",
            form=ROUTE_FORMS,
            parse=parse_route,
        ),
    ] = ()


class PrivacySettings(msgspec.Struct, frozen=True):
    """What of a request is written down.

    This governs `url.query`, `url.full`, `client.address` and `network.peer.address` (the client's), whoever
    makes them. Other tags are as the configuration of HAProxy says.
    """

    query_values: Annotated[
        Literal["redact", "keep"],
        About(
            "what becomes of the values in a query",
            "`redact` writes `page=REDACTED`: keys, order and number stay. Nobody knows all names under which secrets"
            " travel, so nothing stays unless `query_allow` names it. `keep` writes them, but for the keys of signed"
            " URLs that OpenTelemetry's conventions name: AWSAccessKeyId, Signature, sig, X-Goog-Signature.",
        ),
    ] = "redact"
    query_allow: Annotated[
        tuple[str, ...],
        Meta(max_length=1000),
        About(
            "parameter of a query whose value stays in any case",
            "The name as the application reads it: `filter[name]` also means `filter%5Bname%5D`. Upper and lower case"
            " differ.",
            form="the name of a query's parameter",
            parse=parse_query_key,
        ),
    ] = ()
    client_address: Annotated[
        Literal["whole", "truncate", "hash"],
        About(
            "how the client's address is written",
            "`truncate` leaves IPv4 its first 24 bits and IPv6 its first 48: still a site, no longer a person. `hash`"
            " writes 16 hexadecimal digits, the same for the same address: clients can be told apart and followed, and"
            " not be named without the key. In both cases what is no IP address is left out.",
        ),
    ] = "whole"
    hash_key_file: Annotated[
        Path | None,
        About(
            "the file with the key of `hash`, of 16 bytes at least",
            "With the same key, agents write the same address the same way, and so does one after its restart. Who has"
            " the key can find out the addresses by trying all of them. Without a file each start makes a key, which"
            " nobody knows: then a restart makes every client a new one.",
            metavar="PATH",
            form="the path of a file",
            parse=parse_path,
        ),
    ] = None


class ExportSettings(msgspec.Struct, frozen=True):
    """Where finished traces go. The details of OTLP are those of OpenTelemetry: the `OTEL_*` variables."""

    to: Annotated[
        ExportKind,
        About(
            "where finished traces go",
            "`otlp` is what collectors and trace stores take; `console` (standard output) and `file` are"
            " for trying out; with `none` spans go nowhere.",
            flag="--export",
        ),
    ] = "otlp"
    file: Annotated[
        Path | None,
        About(
            "the file that `file` writes to",
            "There is no default: a daemon's working directory is no place for data.",
            flag="--export-file",
            metavar="PATH",
            form="the path of a file",
            parse=parse_path,
        ),
    ] = None


class MetricsSettings(msgspec.Struct, frozen=True):
    """What is counted of all the traffic. Where it goes is said by OpenTelemetry's `OTEL_METRICS_EXPORTER`."""

    max_series: Annotated[
        int,
        Meta(ge=2, le=1_000_000),
        About(
            "series of one metric",
            "OpenTelemetry's default. Past it one more series, marked `otel.metric.overflow`, takes all that is new, so"
            " that sums stay right. A series of a histogram takes about 1 kB.",
            unit="series",
        ),
    ] = 2000


class AdminSettings(msgspec.Struct, frozen=True):
    """What the agent says about itself, over HTTP: `/metrics`, `/livez` and `/readyz`. See metrics.md."""

    listen: Annotated[
        AdminAddress | None,
        About(
            "address of /metrics, /livez and /readyz, or off",
            "Unless set it is 127.0.0.1:9464, the port that OpenTelemetry gives to Prometheus, if that is free: several"
            " agents may be on one machine, and the others go on without. An address that is set must be free. Whoever"
            " can reach it can read the names of frontends, backends and servers.",
            flag="--admin",
            metavar="ADDRESS",
            form=ADMIN_FORMS,
            parse=parse_admin,
        ),
    ] = None


class ViewerSettings(msgspec.Struct, frozen=True):
    """The built-in viewer, of `haproxy-telemetry viewer` and of `serve --viewer`. See viewer.md."""

    listen: Annotated[
        AdminAddress,
        About(
            "run the viewer, at HOST:PORT if given (127.0.0.1:16686)",
            "`off`: the agent has no viewer. `haproxy-telemetry viewer`, which is nothing else, then listens on"
            " 127.0.0.1:16686, the port of Jaeger's page. Whoever reaches the address can read all traces, and send"
            " some: another than a loopback one is warned about.",
            flag="--viewer",
            metavar="HOST:PORT",
            form=ADMIN_FORMS,
            flag_value="127.0.0.1:16686",
            parse=parse_admin,
        ),
    ] = "off"
    otlp: Annotated[
        AdminAddress | None,
        About(
            "second address on which the viewer takes OTLP, or off",
            "Unless set, it is 127.0.0.1:4318, where exporters send by themselves, if that is free and nobody else is"
            " meant to have it: an agent that is told where its traces go leaves it alone. An address that is set must"
            " be free.",
            metavar="HOST:PORT",
            form=ADMIN_FORMS,
            parse=parse_admin,
        ),
    ] = None
    store: Annotated[
        Path | None,
        About(
            "file that keeps the traces",
            "A SQLite database, made readable by its owner alone. Without one they are in memory, and gone with the"
            " viewer.",
            metavar="FILE",
            form="the path of a file",
            parse=parse_path,
        ),
    ] = None
    max_age: Annotated[
        float,
        Meta(ge=1, le=31_536_000),
        About(
            "how long a trace is kept",
            "From its first span on. A day is enough to look back; what is to last belongs into a trace store.",
            unit="seconds",
        ),
    ] = 86400.0
    max_traces: Annotated[
        int,
        Meta(ge=1, le=10_000_000),
        About("traces that are kept", "Past it the one that came first goes, whole.", unit="traces"),
    ] = 20_000
    max_bytes: Annotated[
        int,
        Meta(ge=MIB, le=1024 * 1024 * MIB),
        About(
            "bytes of all traces that are kept",
            "In memory or in the file, indexes included. A span of HAProxy takes about 700 bytes.",
            unit="bytes",
        ),
    ] = 256 * MIB
    max_trace_spans: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        About(
            "spans of one trace that are kept",
            "The page draws ten thousand with ease. What comes past it is counted and left out.",
            unit="spans",
        ),
    ] = 20_000
    allow_hosts: Annotated[
        Texts,
        Meta(max_length=64),
        About(
            "name under which the viewer may be asked for",
            "Beside localhost, 127.0.0.1, [::1] and the address itself. Requests under any other name are refused: a"
            " page of another site could otherwise read the traces through its reader's browser (DNS rebinding).",
            metavar="NAME",
            form="names of hosts",
        ),
    ] = ()


class RecorderSettings(msgspec.Struct, frozen=True):
    """The flight recorder: what HAProxy and the agent say to each other, in a file for bug reports. See recorder.md."""

    file: Annotated[
        Path | None,
        About(
            "the file that frames and records are recorded to",
            "Nothing is recorded without it. Only the agent's user can read it, since it holds what clients sent. What"
            " the last run left is put aside as FILE.1; a file that is no recording is not touched.",
            flag="--record",
            metavar="FILE",
            form="the path of a file",
            parse=parse_path,
        ),
    ] = None
    size: Annotated[
        int,
        Meta(ge=64 * KIB, le=1024 * 1024 * MIB),
        About(
            "size of the recording, both of its files together",
            "It is a ring: FILE takes half of it, then becomes FILE.1, and what was FILE.1 goes. A frame of the profile"
            " `standard` takes about 1 kB with its answer.",
            unit="bytes",
            flag="--record-size",
            metavar="BYTES",
        ),
    ] = 64 * MIB
    redact: Annotated[
        bool,
        About(
            "put placeholders of the same length for values while recording",
            "Then the file can be shown to others: texts, binary values and addresses become others of the same length,"
            " the same one always the same. Names, methods, status codes, numbers and timers stay.",
            flag="--record-redact",
        ),
    ] = False


class WireSettings(msgspec.Struct, frozen=True):
    """What the agent takes from one connection of HAProxy."""

    max_frame_size: Annotated[
        int,
        Meta(ge=256, le=64 * MIB),
        About(
            "largest max-frame-size that HAProxy may announce",
            "HAProxy's own default is 16380 (tune.bufsize less 4) and its least 256. The agent echoes what"
            " HAProxy announces, since a smaller answer makes bigger messages fail; this bounds the buffer"
            " of a connection.",
            unit="bytes",
        ),
    ] = MIB
    max_fragments_bytes: Annotated[
        int,
        Meta(ge=256, le=1024 * MIB),
        About(
            "unfinished fragmented messages held for one connection",
            "HAProxy up to 3.0 splits messages that are larger than a frame; the pieces wait here for the last one."
            " So this is also the size of the largest message.",
            unit="bytes",
        ),
    ] = MIB
    max_in_flight: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        About(
            "NOTIFY frames of one connection that wait for their answer",
            "HAProxy keeps 20 of them on a connection by default (max-waiting-frames); far more is a broken peer.",
            unit="frames",
        ),
    ] = 1024


class ServerSettings(msgspec.Struct, frozen=True):
    """The process, or processes. Every bound of this page is for one of them."""

    workers: Annotated[
        int,
        Meta(ge=1, le=MAX_WORKERS),
        About(
            "processes that serve HAProxy, each on a core and an address of its own",
            "The first listens on the addresses of `listen`, the others on the ports behind each, or on the path with"
            " `.2`, `.3` and so on. HAProxy must send all events of a stream to the same one:"
            " `haproxy-telemetry config --workers N` writes that. Records come to one address for all. More processes"
            " than cores, or than threads of HAProxy, are of no use.",
            flag="--workers",
            metavar="N",
            unit="processes",
        ),
    ] = 1
    shutdown_timeout: Annotated[
        float,
        Meta(ge=0, le=3600),
        About(
            "time from SIGTERM until what is left is given up and said",
            "Container runtimes kill a process after ten seconds, and the last words must come before that.",
            unit="seconds",
        ),
    ] = 5.0
    max_connections: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        About(
            "connections at once",
            "HAProxy keeps some per thread; up to 3.0 a refused frame makes it open thousands within a second.",
            unit="connections",
        ),
    ] = 4096


class LogSettings(msgspec.Struct, frozen=True):
    """The agent's own log, on standard error."""

    format: Annotated[
        LogFormat,
        About("form of a log line", "`text` reads well in a terminal and in the journal.", flag="--log-format"),
    ] = "text"
    level: Annotated[
        LogLevel,
        About(
            "least level that is logged",
            "`info` has one line when something begins and one when it ends; `debug` adds what is usual and"
            " frequent, such as connections that are reset.",
            flag="--log-level",
            metavar="LEVEL",
        ),
    ] = "info"


class Settings(msgspec.Struct, frozen=True):
    """All settings, immutable."""

    listen: Annotated[
        tuple[ListenAddress, ...],
        Meta(min_length=1, max_length=1024),
        About(
            "address to listen on",
            "HAProxy is on the same machine in most set-ups, and SPOP has no authentication: another"
            " address than a loopback one must be asked for. A Unix socket saves 2 to 3 microseconds a"
            " frame.",
            flag="--listen",
            metavar="ADDRESS",
            form=FORMS,
            parse=parse_listen,
        ),
    ] = (TcpAddress("127.0.0.1", 7000),)
    dsl: DslSettings = DslSettings()
    variables: VariablesSettings = VariablesSettings()
    trace: TraceSettings = TraceSettings()
    records: RecordsSettings = RecordsSettings()
    sampling: SamplingSettings = SamplingSettings()
    http: HttpSettings = HttpSettings()
    privacy: PrivacySettings = PrivacySettings()
    export: ExportSettings = ExportSettings()
    metrics: MetricsSettings = MetricsSettings()
    admin: AdminSettings = AdminSettings()
    viewer: ViewerSettings = ViewerSettings()
    recorder: RecorderSettings = RecorderSettings()
    wire: WireSettings = WireSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
