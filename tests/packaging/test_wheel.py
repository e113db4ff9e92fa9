"""What a pip user gets: the package with worlds and questions, without tests and answers."""

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel built from this checkout."""
    for name in ("pip", "hatchling"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed, so no wheel can be built")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("riskengine-*.whl"))


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_every_module_and_every_shipped_file(wheel):
    held = set(names(wheel))
    modules = {f.relative_to(ROOT).as_posix() for f in (ROOT / "riskengine").rglob("*.py")}
    shipped = {
        f"riskengine/_shipped/{f.relative_to(ROOT).as_posix()}"
        for top in ("scenarios", "configs")
        for f in (ROOT / top).rglob("*")
        if f.suffix in (".yaml", ".csv")
    }
    assert shipped
    assert modules | shipped <= held


def test_the_wheel_holds_no_tests_answers_or_caches(wheel):
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert len(tops) == 2
    assert {t.partition("-")[0] for t in tops} == {"riskengine"}
    assert not [n for n in names(wheel) if "__pycache__" in n or n.endswith((".pyc", ".nbi", ".nbc"))]


def test_an_unpacked_wheel_finds_its_own_files(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; from riskengine.cli.main import main; from riskengine.config.locate import shipped_root\n"
        "print(shipped_root()); main(['list', 'studies']); sys.exit(main(['run', 'quickstart', '--dry-run']))"
    )
    (tmp_path / "empty").mkdir()
    # -P and the path first: the checkout must not be what is imported
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{code}"]
    done = subprocess.run(command, cwd=tmp_path / "empty", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "site" / "riskengine" / "_shipped")
    assert "quickstart" in done.stdout
    assert "everything is in order; nothing was run" in done.stdout
    assert not list((tmp_path / "empty").iterdir())
