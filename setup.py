"""What a wheel holds: the models, and the tools with all that they read, as one package; see docs/architecture.md."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_namespace_packages, setup


HERE = Path(__file__).parent
COMMAND = "quality_gate"
FOLDERS = ("utils", "modular", "templates")  # each with what lies below it


def layout() -> dict[str, str]:
    """Package -> folder."""
    packages = {COMMAND: COMMAND, "generated": "generated"}
    for name in FOLDERS:
        packages[f"{COMMAND}.{name}"] = name
        for found in find_namespace_packages(str(HERE / name), exclude=["*__pycache__*"]):
            packages[f"{COMMAND}.{name}.{found}"] = f"{name}/{found.replace('.', '/')}"
    for found in find_namespace_packages(str(HERE / "generated"), exclude=["*__pycache__*"]):
        packages[f"generated.{found}"] = f"generated/{found}"
    return packages


setup(
    packages=sorted(layout()),
    package_dir=layout(),
    package_data={"": ["*.toml", "*.j2", "*.css", "*.js", "*.json", "*.txt"]},
)
