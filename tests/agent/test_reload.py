"""From settings and environment to sampling, and what SIGHUP makes of a file that has changed."""

from __future__ import annotations

import msgspec
import pytest

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.reload import Reload, differences, make_sampling
from haproxy_telemetry.sampling import Sampler, SamplerError, Sampling, threshold_of
from haproxy_telemetry.settings import SamplingSettings, Settings, SettingsError, TraceSettings
from haproxy_telemetry.settings.errors import BadFileError
from haproxy_telemetry.stats import Stats


class Taking:
    """In the place of the agent: it keeps what it is given."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.taken: list[Sampling] = []

    def use_sampling(self, sampling: Sampling) -> None:
        self.taken.append(sampling)


def with_ratio(ratio: float | None, trace: TraceSettings = TraceSettings()) -> Settings:  # noqa: B008 (immutable)
    return Settings(sampling=SamplingSettings(ratio=ratio), trace=trace)


def test_nothing_said_is_the_default_and_costs_nothing() -> None:
    assert make_sampling(SamplingSettings(), {}).trivial


def test_the_file_and_the_environment_say_the_same_in_their_words() -> None:
    environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    expected = Sampler(True, threshold_of(0.25))
    assert make_sampling(SamplingSettings(), environ).sampler == expected
    assert make_sampling(SamplingSettings(ratio=0.25), {}).sampler == expected
    assert make_sampling(SamplingSettings(sampler="always_off"), {}).sampler == Sampler(False, threshold_of(0))


def test_to_say_it_in_both_is_an_error_that_names_both() -> None:
    with pytest.raises(SamplerError, match=r"OTEL_TRACES_SAMPLER is 'always_on': \[sampling\] ratio is given too"):
        make_sampling(SamplingSettings(ratio=0.25), {"OTEL_TRACES_SAMPLER": "always_on"})


def test_only_what_differs_is_taken_over_and_a_mistake_changes_nothing() -> None:
    agent = Taking()
    answers: list[Settings | SettingsError] = [
        with_ratio(0.5),
        with_ratio(0.5),
        BadFileError("a.toml", "not TOML"),
        with_ratio(0.5, TraceSettings(ttl=1)),
        with_ratio(None),
    ]

    def load_again() -> Settings:
        answer = answers.pop(0)
        if isinstance(answer, SettingsError):
            raise answer
        return answer

    typed: Agent = agent  # type: ignore[assignment]  # a stand-in with the two things that are used
    reload = Reload(typed, Settings(), load_again, {})
    taken = []
    while answers:
        reload()
        taken.append(len(agent.taken))
    assert taken == [1, 1, 1, 1, 2]
    assert [one.sampler.threshold for one in agent.taken] == [threshold_of(0.5), 0]
    assert (agent.stats.get("reloads", "done"), agent.stats.get("reloads", "failed")) == (4, 1)


def test_differences_are_named_below_tables_and_in_rows_too() -> None:
    before = Settings()
    tail = msgspec.structs.replace(before.sampling.tail, errors=True)
    sampling = msgspec.structs.replace(before.sampling, tail=tail)
    assert differences(before, msgspec.structs.replace(before, sampling=sampling)) == ["sampling.tail.errors"]
    assert differences(before, before) == []
