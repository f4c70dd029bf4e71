"""The contracts of import-linter hold, and each breaks when a forbidden import is planted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the copy of the package in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package and its contracts."""
    shutil.copytree(ROOT / "src" / "penchant", tmp_path / "src" / "penchant")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("errors.py", "import penchant.cli.planted", "Imports run down the floors"),
        ("registry.py", "import penchant.training", "Imports run down the floors"),
        ("heads/__init__.py", "import penchant.interest", "Imports run down the floors"),
        ("events/__init__.py", "import penchant.packed", "works without torch"),
        ("stores/__init__.py", "def planted() -> None:\n    import torch", "works without torch"),
        ("losses/__init__.py", "import penchant.sequences", "knows nothing of logs"),
        ("planted/__init__.py", "", "Imports run down the floors"),
    ],
)
def test_a_planted_import_breaks_its_contract(house, file, line, contract):
    path = house / "src" / "penchant" / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as stream:
        stream.write(f"\n{line}\n")
    (house / "src" / "penchant" / "cli").mkdir(exist_ok=True)
    (house / "src" / "penchant" / "cli" / "__init__.py").touch()
    (house / "src" / "penchant" / "cli" / "planted.py").touch()
    result = lint(house)
    broken = [row for row in result.stdout.splitlines() if " BROKEN" in row]
    assert result.returncode == 1
    assert [row for row in broken if contract in row], result.stdout


def test_the_contracts_hold(house):
    result = lint(house)
    assert result.returncode == 0, result.stdout
