"""What is said of a run, and where it is written."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["describe_machine", "say", "write_files"]

RESULTS = Path(__file__).resolve().parent / "results"


def write_files(texts: Mapping[str, str]) -> None:
    """Writes each text under its name."""
    RESULTS.mkdir(exist_ok=True)
    for name, text in texts.items():
        (RESULTS / name).write_text(text)
    say(f"Written to {os.path.relpath(RESULTS)}: {', '.join(texts)}")


def describe_machine() -> str:
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    node = "none"
    if shutil.which("node"):
        node = subprocess.check_output(["node", "--version"], text=True).strip().lstrip("v")
    versions = f"Python {platform.python_version()}, Node {node}"
    return f"{processor}, {os.cpu_count()} cores; {versions}; {time.strftime('%Y-%m-%d')}"


def say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)
