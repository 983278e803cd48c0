"""What a reader may rely on in the tree: who imports whom, where names live, how long a module is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vigilo
from vigilo import semconv

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "instrumentation" / "vigilo", ROOT / "exporter" / "vigilo_exporter")
MODULES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
SDK_PACKAGES = {"openai", "anthropic", "google"}


def module_name(path):
    root = next(package.parent for package in PACKAGES if package in path.parents)
    parts = list(path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """The modules that a file imports anywhere, except for the type checker only."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def within(name, package):
    return name == package or name.startswith(package + ".")


def test_every_module_is_found():
    assert len(MODULES) > 20


def test_the_instrumentation_never_imports_the_exporter():
    wrong = {
        module_name(path)
        for path in MODULES
        if within(module_name(path), "vigilo") and any(within(name, "vigilo_exporter") for name in imported(path))
    }
    assert wrong == set()


def test_the_exporter_imports_only_names_settings_and_errors_of_the_instrumentation():
    # The store prices what arrives without a price, by the table that the app itself goes by.
    allowed = ("vigilo.semconv", "vigilo.settings", "vigilo.errors", "vigilo.testing", "vigilo.policy.pricing")
    allowed += ("vigilo.settings_file",)
    allowed += ("vigilo.policy.price_file", "vigilo.policy.price_update", "vigilo.policy.price_words")
    allowed += ("vigilo.policy.live_prices",)  # vigilo doctor tells when the table is old
    allowed += ("vigilo.tallies",)  # what the export tells of itself
    allowed += ("vigilo.notebook", "vigilo.gauges", "vigilo.checkpoint")  # vigilo notebook doctor
    allowed += ("vigilo.quota", "vigilo.policy.quota", "vigilo.state")  # the command line sets and shows quotas
    # What is removed from the store, and whose: by the names of attributes, and the pseudonyms of an id.
    allowed += ("vigilo.policy.pseudonym", "vigilo.policy.export.content_names", "vigilo.policy.export.rules")
    wrong = {
        (module_name(path), name)
        for path in MODULES
        if module_name(path).startswith("vigilo_exporter")
        for name in imported(path)
        if within(name, "vigilo") and name != "vigilo" and not any(within(name, a) for a in allowed)
    }
    assert wrong == set()


def test_parsers_import_nothing_but_values_and_names():
    allowed = ("vigilo.capture.call", "vigilo.capture.parse", "vigilo.semconv")
    wrong = {
        (module_name(path), name)
        for path in MODULES
        if within(module_name(path), "vigilo.capture.parse")
        for name in imported(path)
        if within(name, "opentelemetry")
        or (within(name, "vigilo") and name != "vigilo" and not any(within(name, module) for module in allowed))
    }
    assert wrong == set()


def test_policy_does_not_import_capture_but_for_its_values():
    wrong = {
        (module_name(path), name)
        for path in MODULES
        if within(module_name(path), "vigilo.policy")
        for name in imported(path)
        if within(name, "vigilo.capture") and not within(name, "vigilo.capture.call") and name != "vigilo.capture"
    }
    assert wrong == set()


def test_shared_state_knows_nothing_of_what_is_kept_in_it():
    wrong = {
        (module_name(path), name)
        for path in MODULES
        if within(module_name(path), "vigilo.state")
        for name in imported(path)
        if within(name, "vigilo.policy") or within(name, "vigilo.capture")
    }
    assert wrong == set()


def test_no_module_imports_an_sdk():
    wrong = {
        (module_name(path), name) for path in MODULES for name in imported(path) if name.split(".")[0] in SDK_PACKAGES
    }
    assert wrong == set()


def test_only_the_recorder_and_its_instruments_touch_spans_and_metrics():
    touching = {"vigilo.capture.recorder", "vigilo.capture.instruments", "vigilo.capture.spending"}
    touching |= {"vigilo.capture.quota_gauges", "vigilo.capture.export_gauges"}
    asking_whose_it_is = {"vigilo.capture.neighbours", "vigilo.capture.who"}  # the span, the service
    api = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
    wrong = {
        module_name(path)
        for path in MODULES
        if within(module_name(path), "vigilo.capture")
        and module_name(path) not in touching | asking_whose_it_is
        and any(within(name, part) for name in imported(path) for part in api)
    }
    assert wrong == set()


def strings(tree):
    """String constants of a module but for docstrings."""
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs]


def test_attribute_and_metric_names_are_written_in_semconv_only():
    ours = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    wrong = [
        (module_name(path), node.lineno, node.value)
        for path in MODULES
        if module_name(path) != "vigilo.semconv"
        for node in strings(ast.parse(path.read_text("utf-8")))
        if node.value.startswith("gen_ai.") or (node.value in ours and node.value.startswith("vigilo."))
    ]
    assert wrong == []


def test_sql_and_dashboards_use_names_that_exist():
    known = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    older = {"gen_ai.usage.cache_creation.input_tokens", "gen_ai.system"}  # written by other instrumentors
    files = [p for package in PACKAGES for p in package.rglob("*.sql")] + list((ROOT / "dashboards").rglob("*.json"))
    assert files
    for path in files:
        names = set(re.findall(r"'((?:gen_ai|vigilo)\.[a-z0-9_.]+)'", path.read_text("utf-8")))
        assert names <= known | older, path


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_stays_short_and_is_named_for_its_idea(path):
    assert len(path.read_text("utf-8").splitlines()) <= 500
    assert path.stem not in {"util", "utils", "helper", "helpers", "common", "misc"}


def test_the_public_api_is_sorted_and_there():
    assert sorted(vigilo.__all__) == vigilo.__all__
    errors = ["QuotaExceeded", "RateLimited", "VigiloError"]
    policies = ["mask", "price", "quota"]
    long_work = ["checkpoint", "load_ipython_extension", "task", "unload_ipython_extension"]
    rest = ["balance", "instrument", "track", "uninstrument", "unwrap", "wrap"]
    assert vigilo.__all__ == sorted([*errors, *policies, *long_work, *rest])
    assert all(getattr(vigilo, name) is not None for name in vigilo.__all__)


def loaded_by(statement):
    """The modules that are loaded after ``statement`` in a new interpreter."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("use", ["", "vigilo.track", "vigilo.instrument()"])
def test_the_api_loads_no_sdk_and_no_store(use):
    modules = loaded_by(f"import vigilo; {use}")
    loaded = {name.split(".")[0] for name in modules}
    assert not loaded & {"openai", "anthropic", "chdb", "vigilo_exporter", "typer", "rich", "pydantic", "httpx2"}
    assert "google.genai" not in modules


def test_importing_vigilo_loads_nothing_of_the_opentelemetry_sdk():
    assert not {name for name in loaded_by("import vigilo") if name.startswith("opentelemetry.sdk")}


def test_the_exporters_do_not_load_the_engine():
    assert "chdb" not in loaded_by("import vigilo_exporter.exporters")
