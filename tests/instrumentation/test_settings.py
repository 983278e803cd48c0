import pytest

from vigilo.errors import ConfigError
from vigilo.settings import Settings, app_settings, load_settings, setting_sources, shown_setting


def test_defaults_mask_content_and_hide_user_ids(tmp_path):
    settings = load_settings({}, tmp_path)
    assert (settings.content, settings.content_max_chars, settings.user_ids) == ("masked", 1000, "pseudonym")
    assert settings.home.name == "vigilo"


def test_variables_win_over_the_file_which_wins_over_defaults(tmp_path):
    (tmp_path / "vigilo.toml").write_text('content = "off"\ncontent_max_chars = 50\n')
    settings = load_settings({"VIGILO_CONTENT": "FULL"}, tmp_path)
    assert settings.content == "full"
    assert settings.content_max_chars == 50


def test_the_file_may_lie_elsewhere(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text('user_ids = "plain"\n')
    assert load_settings({"VIGILO_CONFIG": str(path)}, tmp_path).user_ids == "plain"


def test_a_named_file_that_is_absent_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"`VIGILO_CONFIG` names .*absent\.toml, which is not a file"):
        load_settings({"VIGILO_CONFIG": str(tmp_path / "absent.toml")}, tmp_path)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"VIGILO_CONTENT": "maskd"}, "`VIGILO_CONTENT` is 'maskd'; allowed is `masked` or `off` or `full`"),
        ({"VIGILO_CONTENT_MAX_CHARS": "0"}, "`VIGILO_CONTENT_MAX_CHARS` is '0'; allowed is a whole number, 1 or more"),
        ({"VIGILO_CONTENT_MAX_CHARS": "many"}, "`VIGILO_CONTENT_MAX_CHARS` is 'many'"),
        ({"VIGILO_HOME": ""}, "`VIGILO_HOME` is ''; allowed is a path"),
        ({"VIGILO_CONTENTS": "off"}, "unknown variable `VIGILO_CONTENTS`; allowed are .*`VIGILO_CONTENT`"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(tmp_path, environ, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        load_settings(environ, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "contents = 'off'",
            r"vigilo\.toml: unknown key `contents`; allowed are `accelerator_quota_s`, .*`content_max",
        ),
        ("content_max_chars = true", r"vigilo\.toml: `content_max_chars` is True; allowed is a whole number"),
        ("content_max_chars = 1.5", r"`content_max_chars` is 1\.5"),
        ("home = 3", "`home` is 3; allowed is a path"),
        ("content =", r"vigilo\.toml is not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_the_key(tmp_path, text, message):
    (tmp_path / "vigilo.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings({}, tmp_path)


@pytest.mark.parametrize(("asked", "content"), [("NO_CONTENT", "off"), ("no_content", "off"), ("SPAN_ONLY", "masked")])
def test_opentelemetrys_own_choice_of_content_is_kept(tmp_path, asked, content):
    environ = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": asked}
    assert load_settings(environ, tmp_path).content == content
    assert load_settings({**environ, "VIGILO_CONTENT": "full"}, tmp_path).content == "full"


@pytest.mark.parametrize(
    ("mode", "place"), [("SPAN_ONLY", "spans"), ("EVENT_ONLY", "events"), ("SPAN_AND_EVENT", "both")]
)
def test_opentelemetrys_own_choice_of_the_place_is_kept(tmp_path, mode, place):
    environ = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": mode}
    assert load_settings(environ, tmp_path).content_on == place
    assert load_settings({**environ, "VIGILO_CONTENT_ON": "spans"}, tmp_path).content_on == "spans"


def test_opentelemetrys_own_choice_of_events_and_hook_is_kept(tmp_path):
    environ = {
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
        "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK": "upload",
    }
    settings = load_settings(environ, tmp_path)
    assert (settings.operation_events, settings.completion_hook) == ("on", "upload")
    assert load_settings({"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "false"}, tmp_path).operation_events == "off"


@pytest.mark.parametrize("value", ["-1", "soon", "inf", "nan"])
def test_a_limit_that_is_no_time_is_refused(tmp_path, value):
    with pytest.raises(ConfigError, match="allowed is a number of seconds, 0 or more"):
        load_settings({"VIGILO_STREAM_IDLE_S": value}, tmp_path)


def test_every_setting_has_a_source(tmp_path):
    (tmp_path / "vigilo.toml").write_text("content_max_chars = 50")
    sources = setting_sources({"VIGILO_CONTENT": "off"}, tmp_path)
    assert sources["content"] == "VIGILO_CONTENT"
    assert sources["content_max_chars"] == str(tmp_path / "vigilo.toml")
    assert sources["home"] == "default"


def test_in_the_app_a_wrong_setting_is_logged_and_content_stays_out(monkeypatch, caplog):
    monkeypatch.setenv("VIGILO_CONTENT", "ful")
    settings = app_settings()
    assert settings.content == "off"
    assert "`VIGILO_CONTENT` is 'ful'; allowed is `masked` or `off` or `full`" in caplog.text


def test_a_wrong_setting_elsewhere_keeps_the_home_that_was_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("VIGILO_HOME", str(tmp_path / "chosen"))
    monkeypatch.setenv("VIGILO_CONTENT", "ful")
    assert app_settings().home == tmp_path / "chosen"


def test_how_masked_values_are_told_apart(tmp_path):
    (tmp_path / "vigilo.toml").write_text('placeholders = "numbered"\ntenant = "acme"\n')
    settings = load_settings({}, tmp_path)
    assert (settings.placeholders, settings.tenant) == ("numbered", "acme")
    assert load_settings({"VIGILO_TENANT": "other"}, tmp_path).tenant == "other"
    with pytest.raises(ConfigError, match="`VIGILO_PLACEHOLDERS` is 'some'; allowed is `plain` or `numbered`"):
        load_settings({"VIGILO_PLACEHOLDERS": "some"}, tmp_path)


def test_full_content_is_warned_of_once(monkeypatch, caplog):
    monkeypatch.setenv("VIGILO_CONTENT", "full")
    assert app_settings().content == app_settings().content == "full"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "leave this process unmasked" in caplog.text


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Settings().content = "full"


@pytest.mark.parametrize(
    ("chosen", "kept", "content_kept"),
    [
        ({}, 30, 7),
        ({"personal": True}, 7, 7),
        ({"personal": True, "retention_days": 90}, 90, 7),
        ({"retention_days": 3}, 3, 3),
        ({"retention_days": -1}, -1, 7),
        ({"content_retention_days": -1}, 30, 30),
        ({"retention_days": -1, "content_retention_days": -1}, -1, -1),
    ],
)
def test_text_is_never_kept_longer_than_the_rest(chosen, kept, content_kept):
    settings = Settings(**chosen)
    assert (settings.kept_days, settings.content_kept_days) == (kept, content_kept)


@pytest.mark.parametrize("days", ["0", "-2", "1.5", "true"])
def test_days_are_whole_or_for_ever(tmp_path, days):
    with pytest.raises(ConfigError, match=r"`VIGILO_RETENTION_DAYS` is .*allowed is a whole number, 1 or more, or -1"):
        load_settings({"VIGILO_RETENTION_DAYS": days}, tmp_path)


def test_endpoints_are_read_without_their_slashes(tmp_path):
    urls = "https://ada:s3cr%2Ft@one:8443/, http://two"
    settings = load_settings({"VIGILO_CLICKHOUSE_URL": urls}, tmp_path)
    assert settings.clickhouse_url == "https://ada:s3cr%2Ft@one:8443,http://two"
    assert shown_setting(settings, "clickhouse_url") == "https://one:8443,http://two"
    assert "s3cr" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["one:8123", "tcp://one:9000", "http://", "http://one/otel", "http://one:0", "http://one?a=b"]
)
def test_what_is_no_endpoint_is_refused_without_telling_it(tmp_path, url):
    with pytest.raises(ConfigError, match="`VIGILO_CLICKHOUSE_URL` is wrong; allowed is `http"):
        load_settings({"VIGILO_CLICKHOUSE_URL": url}, tmp_path)


def test_secrets_are_not_shown(tmp_path):
    secrets = ("clickhouse_password", "clickhouse_token", "serve_token")
    settings = load_settings({f"VIGILO_{name.upper()}": "hunter2" for name in secrets}, tmp_path)
    assert [shown_setting(settings, name) for name in secrets] == ["set"] * 3
    assert "hunter2" not in repr(settings)
