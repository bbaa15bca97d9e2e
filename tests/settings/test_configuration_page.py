"""docs/configuration.md says what the settings are."""

import re
from pathlib import Path

import configuration_page
import pytest

from haproxy_telemetry.settings import Settings, load_settings
from haproxy_telemetry.settings.catalog import SETTINGS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_page_is_the_one_that_the_settings_make(page: str) -> None:
    assert page == configuration_page.page(), "run: python scripts/configuration_page.py"


def test_the_page_names_every_variable_and_flag(page: str) -> None:
    for setting in SETTINGS:
        assert f"`{setting.variable}`" in page
        assert setting.about.flag in page


def test_every_file_on_the_page_is_one_that_the_agent_takes(page: str, tmp_path: Path) -> None:
    files = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    loaded = []
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        loaded.append(load_settings(path, {}, {}))
    assert len(loaded) == 2
    assert loaded[0].trace.ttl == 60.0
    assert len(loaded[0].http.routes) == 2
    assert loaded[-1] == Settings()
