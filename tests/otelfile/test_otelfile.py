"""``OTEL_CONFIG_FILE``: what the file says is what the agent does, and what it cannot do is named with its place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from haproxy_telemetry.exporters import OutletSettings, read_outlets
from haproxy_telemetry.otelfile import OtelFileError, Source, read_source
from haproxy_telemetry.otlp.resource import read_resource_attributes
from haproxy_telemetry.otlp.settings import read_batch_limits, read_otlp_settings
from haproxy_telemetry.propagation import read_propagators
from haproxy_telemetry.reload import make_sampling
from haproxy_telemetry.settings import BadValueError, Loaded, load

PAGE = Path(__file__).parents[2] / "docs" / "otel-config.md"

Read = Callable[..., Source]

WHOLE = """
file_format: "1.0"
resource:
  attributes_list: "service.name=listed,team=edge%2C1"
  attributes:
    - {name: service.name, value: "edge, the first"}
    - {name: deployment.environment.name, value: "${STAGE:-test}", type: string}
propagator:
  composite: [{tracecontext: }, {baggage: }, {jaeger: }]
  composite_list: "b3,tracecontext"
tracer_provider:
  limits: {attribute_count_limit: 64, event_count_limit: 32, link_count_limit: 16}
  sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 0.25}}}}
  processors:
    - batch:
        schedule_delay: 250
        max_queue_size: 1000
        max_export_batch_size: 100
        export_timeout: 4000
        exporter:
          otlp_grpc:
            endpoint: http://collector:4317
            headers: [{name: x-key, value: "a b,c"}]
            headers_list: "x-key=lost,x-other=1"
            compression: gzip
            timeout: 2000
meter_provider:
  exemplar_filter: always_off
  readers:
    - periodic:
        interval: 5000
        timeout: 3000
        cardinality_limits: {default: 500}
        exporter:
          otlp_http:
            endpoint: http://metrics:4318/v1/metrics
            encoding: json
            temporality_preference: delta
    - pull: {exporter: {prometheus/development: {host: 127.0.0.1, port: 9999}}}
logger_provider:
  processors:
    - batch: {exporter: {otlp_http: }}
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    def read_text(text: str, **environ: str) -> Source:
        file = tmp_path / "otel.yaml"
        file.write_text(text)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)  # the SDK's package looks there
        return read_source({"OTEL_CONFIG_FILE": str(file), **environ})

    return read_text


def traces(more: str, exporter: str = "otlp_http: ") -> str:
    return f"""
file_format: "1.0"
tracer_provider:
  processors: [{{batch: {{exporter: {{{exporter}}}}}}}]
{more}
"""


def loaded(source: Source, **flags: object) -> Loaded:
    return load(None, source.environ, flags, source.settings)


def outlets(source: Source) -> OutletSettings:
    return read_outlets(source.environ, "id")


def test_without_the_variable_the_environment_is_what_it_was() -> None:
    environ = {"OTEL_SERVICE_NAME": "edge", "OTEL_CONFIG_FILE": " "}
    assert read_source(environ) == Source(environ)


def test_traces_go_as_the_file_says(read: Read) -> None:
    source = read(WHOLE)
    settings = read_otlp_settings(source.environ)
    assert (settings.protocol, settings.url) == ("grpc", "http://collector:4317")
    assert (settings.gzip, settings.timeout_s, settings.budget_s) == (True, 2.0, 4.0)
    assert settings.headers == {"x-key": "a b,c", "x-other": "1"}
    limits = read_batch_limits(source.environ)
    assert (limits.max_age_s, limits.queue_spans, limits.batch_spans) == (0.25, 1000, 100)
    assert source.said == ()


def test_metrics_and_logs_go_as_the_file_says(read: Read) -> None:
    source = read(WHOLE)
    found = outlets(source)
    assert found.metrics is not None
    assert found.logs is not None
    assert (found.metrics.protocol, found.metrics.url) == ("http/json", "http://metrics:4318/v1/metrics")
    assert (found.interval_s, found.metrics.budget_s, found.delta, found.prometheus) == (5.0, 3.0, True, True)
    assert found.exemplars == "always_off"
    assert (found.logs.url, found.logs.gzip) == ("http://localhost:4318/v1/logs", False)
    assert (found.log_limits.max_age_s, found.log_limits.queue_spans) == (1.0, 2048)


def test_who_the_traces_are_from(read: Read) -> None:
    attributes = dict(read_resource_attributes(read(WHOLE, STAGE="live").environ, "id"))
    assert attributes[b"service.name"] == b"edge, the first"
    assert (attributes[b"team"], attributes[b"deployment.environment.name"]) == (b"edge,1", b"live")


def test_propagators_sampler_and_limits(read: Read) -> None:
    source = read(WHOLE)
    settings = loaded(source).settings
    assert source.environ["OTEL_PROPAGATORS"] == "tracecontext,baggage,jaeger,b3"
    assert read_propagators(source.environ).baggage
    assert str(make_sampling(settings.sampling, source.environ).sampler) == "25 % of new traces, callers decide theirs"
    assert (settings.trace.max_attributes, settings.trace.max_events, settings.trace.max_links) == (64, 32, 16)
    assert settings.metrics.max_series == 500
    assert str(settings.admin.listen) == "127.0.0.1:9999"


def test_settings_of_the_agents_own_win_and_each_says_where_it_comes_from(read: Read) -> None:
    source = read(WHOLE)
    both = loaded(source, **{"export.to": "console"})
    assert both.settings.export.to == "console"
    assert both.origins["trace.max_links"] == f"{source.file}, tracer_provider.limits.link_count_limit"


def test_no_other_variable_counts_and_that_is_said(read: Read) -> None:
    source = read(
        traces(""), OTEL_SERVICE_NAME="other", OTEL_EXPORTER_OTLP_ENDPOINT="http://other:1", HAPROXY_TELEMETRY_LISTEN=""
    )
    assert read_otlp_settings(source.environ).url == "http://localhost:4318/v1/traces"
    assert dict(read_resource_attributes(source.environ, "id"))[b"service.name"] == b"haproxy"
    [said] = source.said
    assert "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME" in said
    assert "HAPROXY_TELEMETRY_LISTEN" in source.environ


def test_a_reference_to_another_variable_counts(read: Read) -> None:
    endpoint = 'otlp_http: {endpoint: "${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces"}'
    source = read(traces("", endpoint), OTEL_EXPORTER_OTLP_ENDPOINT="http://other:1")
    assert read_otlp_settings(source.environ).url == "http://other:1/v1/traces"


def test_what_the_file_leaves_out_is_off_as_its_specification_has_it(read: Read) -> None:
    source = read(traces(""))
    assert (outlets(source).metrics, outlets(source).logs, outlets(source).measure) == (None, None, False)
    assert not read_propagators(source.environ).baggage
    nothing = read('file_format: "1.0"')
    assert loaded(nothing).settings.export.to == "none"


def test_disabled_is_everything_off(read: Read) -> None:
    source = read(WHOLE + "disabled: true\n")
    settings = loaded(source).settings
    assert settings.export.to == "none"
    assert not outlets(source).measure
    assert outlets(source).logs is None
    assert str(make_sampling(settings.sampling, source.environ).sampler) == "none of new traces, callers decide theirs"


@pytest.mark.parametrize(
    ("exporter", "to", "file"),
    [
        ("console: ", "console", None),
        ("otlp_file/development: {output_stream: file:///var/log/traces.jsonl}", "file", "/var/log/traces.jsonl"),
    ],
)
def test_other_ways_out_of_traces(read: Read, exporter: str, to: str, file: str | None) -> None:
    export = loaded(read(traces("", exporter))).settings.export
    assert (export.to, export.file) == (to, Path(file) if file else None)


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        ("always_on: ", "always_on"),
        ("always_off: ", "always_off"),
        ("trace_id_ratio_based: {ratio: 0.5}", "traceidratio"),
        ("probability/development: {ratio: 0.5}", "traceidratio"),
        ("parent_based: {root: {always_off: }, remote_parent_not_sampled: {always_off: }}", "parentbased_always_off"),
        ("parent_based: ", "parentbased_always_on"),
    ],
)
def test_samplers(read: Read, sampler: str, name: str) -> None:
    assert read(traces(f"  sampler: {{{sampler}}}")).environ["OTEL_TRACES_SAMPLER"] == name


def test_without_a_sampler_the_agents_own_settings_may_say(read: Read) -> None:
    source = read(traces(""))
    settings = load(None, {**source.environ, "HAPROXY_TELEMETRY_SAMPLING_RATIO": "0.5"}, {}, source.settings).settings
    assert str(make_sampling(settings.sampling, source.environ).sampler).startswith("50 %")


def test_known_methods_count_and_what_is_for_other_programs_is_said(read: Read) -> None:
    source = read(
        traces(
            "log_level: debug\n"
            "instrumentation/development:\n"
            "  general: {http: {server: {known_methods: [GET, PURGE], request_captured_headers: [x]}}}\n"
            "  java: {spring: {enabled: true}}\n"
        )
    )
    assert source.environ["OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"] == "GET,PURGE"
    said = "\n".join(source.said)
    assert "log_level" in said
    assert "instrumentation/development.general.http.server.request_captured_headers" in said
    assert "instrumentation/development.java" in said


UNHONOURED = [
    ("tracer_provdier: {}", "tracer_provdier"),
    ("  limits: {attribute_value_length_limit: 9}", "tracer_provider.limits.attribute_value_length_limit"),
    ("attribute_limits: {attribute_value_length_limit: 9}", "attribute_limits.attribute_value_length_limit"),
    ("  sampler: {jaeger_remote/development: {endpoint: 'http://x', initial_sampler: {always_on: }}}",
     "tracer_provider.sampler.jaeger_remote/development"),
    ("  sampler: {composite/development: {always_on: }}", "tracer_provider.sampler.composite/development"),
    ("  sampler: {parent_based: {remote_parent_sampled: {always_off: }}}",
     "tracer_provider.sampler.parent_based.remote_parent_sampled"),
    ("  sampler: {mine: {}}", "tracer_provider.sampler.mine"),
    ("  id_generator: {mine: {}}", "tracer_provider.id_generator.mine"),
    ("propagator: {composite: [{xray: }]}", "propagator.composite[0].xray"),
    ("resource: {attributes: [{name: a, value: 1, type: int}]}", "resource.attributes[0]"),
    ("resource: {schema_url: 'http://x'}", "resource.schema_url"),
    ("resource: {detection/development: {detectors: [{host: }]}}",
     "resource.detection/development.detectors[0].host"),
    ("meter_provider: {readers: [{periodic: {exporter: {console: }}}]}",
     "meter_provider.readers[0].periodic.exporter.console"),
    ("meter_provider: {readers: [{periodic: {exporter: {otlp_http: }}}, {periodic: {exporter: {otlp_http: }}}]}",
     "meter_provider.readers[1]"),
    ("meter_provider: {readers: [{periodic: {exporter: {otlp_http: }}}], views: [{selector: {}, stream: {}}]}",
     "meter_provider.views"),
    ("meter_provider: {readers: [{pull: {exporter: {prometheus/development: {scope_info_enabled: true}}}}]}",
     "meter_provider.readers[0].pull.exporter.prometheus/development.scope_info_enabled"),
    ("logger_provider: {processors: [{simple: {exporter: {otlp_http: }}}]}", "logger_provider.processors[0].simple"),
    ("logger_provider: {processors: [{batch: {exporter: {otlp_http: }}}], limits: {attribute_count_limit: 1}}",
     "logger_provider.limits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where"), UNHONOURED, ids=[where for _, where in UNHONOURED])
def test_what_cannot_be_honoured_is_named_with_its_place(read: Read, text: str, where: str, tmp_path: Path) -> None:
    with pytest.raises(OtelFileError) as caught:
        read(traces(text))
    assert str(caught.value).startswith(f"{tmp_path}/otel.yaml: {where}: ")


def test_two_ways_out_of_traces_are_one_too_many(read: Read) -> None:
    with pytest.raises(OtelFileError, match=r"tracer_provider.processors\[1\]: "):
        read(traces("").replace("[{batch", "[{batch: {exporter: {console: }}}, {batch"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file_format: '1.0'\ntracer_provider: {processors: [{btach: {}}]}", "tracer_provider.processors[0].btach"),
        (
            traces("  sampler: {trace_id_ratio_based: {ratio: 2}}"),
            "tracer_provider.sampler.trace_id_ratio_based.ratio: 2 ",
        ),
        (traces("", "otlp_http: {endpiont: x}"), ".endpiont: there is no such key; did you mean endpoint?"),
        ("file_format: '1.0'\ntracer_provdier: ", "yaml: tracer_provdier: there is no such key; did you mean tracer"),
        ("file_format: '1.0'\nfile_format: '1.1'", "file_format: it stands here twice, again in line 2"),
        (traces("  sampler: {always_on: }\n  sampler: {always_off: }"), "tracer_provider.sampler: it stands"),
        ("[1]", "mapping"),
        ("[" * 5000 + "]" * 5000, "can't be read"),
        ("file_format: '7.0'", "7.0"),
        ("tracer_provider: {processors: []}", "file_format"),
        ("a: [", "YAML"),
        ("", "empty"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(
    read: Read, text: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OtelFileError) as caught:
        read(text)
    assert problem in str(caught.value)
    assert caplog.records == []  # the agent says it by itself, once


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OtelFileError, match=r"none.yaml: can't be read \(No such file or directory\)"):
        read_source({"OTEL_CONFIG_FILE": str(tmp_path / "none.yaml")})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "otel.yaml").write_bytes(b"file_format: '\xff'")
    with pytest.raises(OtelFileError, match=r"otel.yaml: can't be read \(.*utf-8"):
        read_source({"OTEL_CONFIG_FILE": str(tmp_path / "otel.yaml")})


def test_a_reference_to_nothing_is_said(read: Read) -> None:
    source = read(traces("resource: {attributes: [{name: a, value: '$${ONE}${HAPROXY_TWO}${THREE:-3}'}]}"))
    assert dict(read_resource_attributes(source.environ, "id"))[b"a"] == b"${ONE}3"
    [said] = source.said
    assert said.endswith("otel.yaml: resource.attributes[0].value has no value: HAPROXY_TWO is not set")


def test_a_newer_format_is_said(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    [said] = read('file_format: "1.99"').said
    assert "1.99" in said
    assert caplog.records == []


def test_readers_that_differ_in_what_they_share_are_an_error(read: Read) -> None:
    readers = """
meter_provider:
  readers:
    - periodic: {cardinality_limits: {default: 5}, exporter: {otlp_http: }}
    - pull: {cardinality_limits: {default: %d}, exporter: {prometheus/development: }}
"""
    assert loaded(read(traces(readers % 5))).settings.metrics.max_series == 5
    with pytest.raises(OtelFileError, match=r"readers\[1\].pull.cardinality_limits.default: .*readers\[0\].periodic"):
        read(traces(readers % 6))


def test_the_example_of_the_page_is_right(read: Read) -> None:
    source = read(PAGE.read_text().partition("```yaml\n")[2].partition("```")[0])
    assert source.said == ()
    assert str(loaded(source).settings.admin.listen) == "localhost:9464"
    assert read_otlp_settings(source.environ).protocol == "grpc"
    assert outlets(source).metrics is not None
    assert outlets(source).logs is not None


def test_a_value_out_of_bounds_is_named_by_its_place(read: Read) -> None:
    source = read(traces("  limits: {attribute_count_limit: 0}"))
    with pytest.raises(BadValueError, match=r"otel.yaml: tracer_provider.limits.attribute_count_limit is 0: "):
        loaded(source)


def test_without_the_package_the_error_names_the_extra(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.configuration", None)
    with pytest.raises(OtelFileError, match=r"pip install 'haproxy-telemetry\[otel-config\]'.*pipx.*uv tool"):
        read(WHOLE)
