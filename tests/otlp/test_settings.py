"""The OTEL_* variables: what is obeyed, and that what can't be is refused with its name, value and fix."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.resource import MAX_SERVICES, ResourceTable, read_resource_attributes
from haproxy_telemetry.otlp.settings import read_batch_limits, read_otlp_settings
from haproxy_telemetry.otlp.variables import ExportConfigError
from haproxy_telemetry.stats import Stats

BASE = "OTEL_EXPORTER_OTLP_"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_"


def test_the_defaults() -> None:
    settings = read_otlp_settings({})
    assert settings.url == "http://localhost:4318/v1/traces"
    assert (settings.timeout_s, settings.budget_s, settings.gzip, settings.tls) == (10.0, 30.0, True, None)
    assert settings.headers == {}
    assert read_batch_limits({}) == BatchLimits()


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        (BASE + "ENDPOINT", "http://collector:4318", "http://collector:4318/v1/traces"),
        (BASE + "ENDPOINT", "http://collector:4318/", "http://collector:4318/v1/traces"),
        (BASE + "ENDPOINT", "https://host/otlp/", "https://host/otlp/v1/traces"),
        (BASE + "ENDPOINT", "https://host/otlp?key=1", "https://host/otlp/v1/traces?key=1"),
        (BASE + "ENDPOINT", "http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        (TRACES + "ENDPOINT", "http://collector:4318", "http://collector:4318/"),
        (TRACES + "ENDPOINT", "http://collector:4318/custom", "http://collector:4318/custom"),
        (TRACES + "ENDPOINT", "http://collector:4318/custom/", "http://collector:4318/custom/"),
        (BASE + "ENDPOINT", "", "http://localhost:4318/v1/traces"),
    ],
)
def test_the_path_is_appended_to_the_base_endpoint_only(variable: str, value: str, url: str) -> None:
    assert read_otlp_settings({variable: value}).url == url


def test_the_variable_for_traces_wins_unless_it_is_empty() -> None:
    settings = read_otlp_settings(
        {
            BASE + "ENDPOINT": "http://general:4318",
            TRACES + "ENDPOINT": "http://special:4318/t",
            BASE + "TIMEOUT": "5000",
            TRACES + "TIMEOUT": "",
            BASE + "COMPRESSION": "gzip",
            TRACES + "COMPRESSION": "none",
            BASE + "HEADERS": "a=1",
            TRACES + "HEADERS": "b=2",
            BASE + "PROTOCOL": "grpc",
            TRACES + "PROTOCOL": "http/protobuf",
        }
    )
    assert settings.url == "http://special:4318/t"
    assert (settings.timeout_s, settings.gzip, settings.headers) == (5.0, False, {"b": "2"})


def test_headers_are_percent_decoded_pairs() -> None:
    headers = read_otlp_settings({BASE + "HEADERS": "authorization=Basic%20YTpi, x-tenant = a=b ,"}).headers
    assert headers == {"authorization": "Basic YTpi", "x-tenant": "a=b"}


def test_a_time_out_of_zero_is_no_limit() -> None:
    assert read_otlp_settings({BASE + "TIMEOUT": "0"}).timeout_s is None


@pytest.mark.parametrize(("insecure", "scheme"), [("true", "http"), ("TRUE", "http"), ("false", "https")])
def test_insecure_decides_for_an_endpoint_without_a_scheme(insecure: str, scheme: str) -> None:
    environ = {BASE + "ENDPOINT": "collector:4318", BASE + "INSECURE": insecure}
    assert read_otlp_settings(environ).url == f"{scheme}://collector:4318/v1/traces"


def test_insecure_says_nothing_about_an_endpoint_with_a_scheme() -> None:
    settings = read_otlp_settings({BASE + "ENDPOINT": "https://collector", BASE + "INSECURE": "true"})
    assert settings.url == "https://collector/v1/traces"
    assert settings.tls is not None
    assert settings.tls.context.verify_mode == ssl.CERT_REQUIRED


def test_the_batch_settings_are_obeyed() -> None:
    limits = read_batch_limits(
        {
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "OTEL_BSP_MAX_QUEUE_SIZE": "1000",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100",
        }
    )
    assert (limits.max_age_s, limits.queue_spans, limits.batch_spans) == (0.25, 1000, 100)
    assert read_otlp_settings({"OTEL_BSP_EXPORT_TIMEOUT": "1500"}).budget_s == 1.5


def test_a_queue_smaller_than_a_usual_batch_makes_smaller_batches() -> None:
    assert read_batch_limits({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}).batch_spans == 10


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        (BASE + "PROTOCOL", "carrier-pigeon", "http/protobuf"),
        (BASE + "COMPRESSION", "zstd", "gzip or none"),
        (BASE + "INSECURE", "yes", "use one of them"),
        (BASE + "TIMEOUT", "10s", "whole number"),
        (TRACES + "TIMEOUT", "-1", "whole number"),
        (BASE + "TIMEOUT", "9" * 5000, "whole number"),
        (BASE + "ENDPOINT", "collector:4318", "http://collector:4318"),
        (BASE + "ENDPOINT", "ftp://collector", "http://"),
        (BASE + "ENDPOINT", "http://", "http://"),
        (BASE + "ENDPOINT", "http://collector:99999", "http://"),
        (BASE + "ENDPOINT", "http://[::1", "http://"),
        (BASE + "ENDPOINT", "http://a b", "http://"),
        (BASE + "HEADERS", "novalue", "key1=value1"),
        (BASE + "HEADERS", "a=b%0d%0aInjected: yes", "correct it"),
        (BASE + "HEADERS", "a b=c", "correct it"),
        (BASE + "HEADERS", "a=%ff", "UTF-8"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1.5", "whole number"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "whole number"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200000", "at most"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "never", "whole number"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name", "key1=value1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "UTF-8"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_its_name_and_the_fix(variable: str, value: str, fix: str) -> None:
    environ = {variable: value}
    with pytest.raises(ExportConfigError) as caught:
        read_otlp_settings(environ), read_batch_limits(environ), read_resource_attributes(environ, "id")
    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable}=")
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("variable", "value"),
    [(BASE + "HEADERS", "key=s3cret,bro ken"), (BASE + "ENDPOINT", "http://user:s3cret@collector:4318")],
)
def test_an_error_shows_no_secrets(variable: str, value: str) -> None:
    with pytest.raises(ExportConfigError) as caught:
        read_otlp_settings({variable: value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"])
@pytest.mark.parametrize("endpoint", ["", "http://collector:4318"])
def test_a_missing_file_is_named_also_where_nothing_is_encrypted(suffix: str, endpoint: str, tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.write_text("not read")
    plain = {BASE + "ENDPOINT": endpoint}
    assert read_otlp_settings(plain | {BASE + suffix: str(there)}).tls is None
    with pytest.raises(ExportConfigError, match=f"{TRACES}{suffix}=.*no such file"):
        read_otlp_settings(plain | {TRACES + suffix: str(tmp_path / "missing.pem")})


@pytest.mark.parametrize("suffix", ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"])
def test_a_missing_or_broken_certificate_file_is_refused(suffix: str, tmp_path: Path) -> None:
    https = {BASE + "ENDPOINT": "https://collector"}
    with pytest.raises(ExportConfigError, match="no such file"):
        read_otlp_settings(https | {TRACES + suffix: str(tmp_path / "missing.pem")})
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ExportConfigError, match=BASE + suffix):
        read_otlp_settings(https | {BASE + suffix: str(broken)})


# The resource


def resource(environ: dict[str, str]) -> dict[bytes, object]:
    return dict(read_resource_attributes(environ, "instance-1"))


def test_the_resource_says_who_we_are() -> None:
    assert resource({}) == {
        b"service.name": b"haproxy",
        b"service.instance.id": b"instance-1",
        b"telemetry.sdk.name": b"haproxy_telemetry",
        b"telemetry.sdk.language": b"python",
        b"telemetry.sdk.version": __version__.encode(),
    }


def test_resource_attributes_are_percent_decoded_and_may_replace_ours() -> None:
    got = resource(
        {"OTEL_RESOURCE_ATTRIBUTES": "service.name=edge,deployment.environment.name=a%2Cb,service.instance.id=7"}
    )
    assert got[b"service.name"] == b"edge"
    assert got[b"deployment.environment.name"] == b"a,b"
    assert got[b"service.instance.id"] == b"7"


def test_the_service_name_variable_wins() -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=edge", "OTEL_SERVICE_NAME": "proxy"}
    assert resource(environ)[b"service.name"] == b"proxy"


def service_name(encoded: bytes) -> str:
    [name] = [a.value.string_value for a in parse_resource(encoded).attributes if a.key == "service.name"]
    return name


def parse_resource(encoded: bytes) -> Resource:
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

    return ResourceSpans.FromString(encoded).resource


def test_a_trace_may_name_another_service_and_keeps_the_other_attributes() -> None:
    table = ResourceTable(read_resource_attributes({}, "id"), Stats())
    assert service_name(table.of(None).encoded) == "haproxy"
    assert service_name(table.of(b"").encoded) == "haproxy"
    assert service_name(table.of(b"caf\xe9").encoded) == "caf\\xe9"
    assert len(parse_resource(table.of(b"shop").encoded).attributes) == 5
    assert table.of(b"shop") is table.of(b"shop")


def test_too_many_services_become_our_own_and_are_counted() -> None:
    stats = Stats()
    table = ResourceTable(read_resource_attributes({}, "id"), stats)
    for i in range(MAX_SERVICES):
        assert service_name(table.of(b"service-%d" % i).encoded) == f"service-{i}"
    assert table.of(b"one more") is table.of(None)
    assert stats.get("service_names_ignored", "too_many") == 1
    assert service_name(table.of(b"service-0").encoded) == "service-0"


def test_a_name_too_long_for_a_service_is_not_kept() -> None:
    stats = Stats()
    table = ResourceTable(read_resource_attributes({}, "id"), stats)
    assert service_name(table.of(b"s" * 255).encoded) == "s" * 255
    assert table.of(b"s" * 256) is table.of(None)
    assert stats.get("service_names_ignored", "too_long") == 1
