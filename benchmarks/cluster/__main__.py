"""Measures what many nodes cost, and prints tables: python -m benchmarks.cluster --help."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import uvloop

from benchmarks.cluster.crossing import CROSSING, GROWTH, cross, deployed
from benchmarks.cluster.deployments import CROSSINGS, GROWING, WORKERS, Deployment, growths
from benchmarks.cluster.workers import WORKERS_MEASURES, measure_workers
from benchmarks.measures import Measure, Plan
from benchmarks.processes import serving
from benchmarks.report import describe_machine, say, write_files
from benchmarks.results import Results
from benchmarks.table import write_table

QUICK = Plan(seconds=1.0, warm_up=1.0)
PARTS = ("crossing", "growth", "workers")


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    title: str
    rows: Sequence[Deployment]
    measures: Sequence[Measure]
    read: Callable[[Deployment, Plan], dict[str, float]]


def main() -> int:
    options = parse_arguments()
    plan = QUICK if options.quick else Plan()
    if options.seconds is not None:
        plan = replace(plan, seconds=options.seconds)
    repeats = options.repeats or (1 if options.quick else 3)
    sections = sections_of(options.part or PARTS, options.only)
    results = [Results(section.rows, section.measures) for section in sections]

    failures = sum(
        not measure_one(section, row, plan, found, f"{number}/{repeats}")
        for number in range(1, repeats + 1)
        for section, found in zip(sections, results, strict=True)
        for row in section.rows
    )
    tables = [f"{one.title}\n\n{write_table(found)}" for one, found in zip(sections, results, strict=True)]
    text = "\n".join([f"{describe_machine()}\n", *tables])
    print(text)
    if not options.no_files:
        readings = {one.title: found.as_json() for one, found in zip(sections, results, strict=True)}
        write_files({"cluster-table.md": text, "cluster-readings.json": json.dumps(readings, indent=2) + "\n"})
    return 1 if failures else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/benchmark --cluster", description=__doc__.partition(":")[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeatable")
    parser.add_argument(
        "--only", action="append", choices=[one.key for one in CROSSINGS], help="measure this cluster; repeatable"
    )
    parser.add_argument("--seconds", type=float, help="length of each measurement (3; quick: 1)")
    parser.add_argument("--repeats", type=int, help="rounds (3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="a first impression, in a quarter of the time")
    parser.add_argument("--no-files", action="store_true", help="print the tables and write nothing")
    return parser.parse_args()


def sections_of(parts: Sequence[str], only: Sequence[str] | None) -> list[Section]:
    sections = []
    if "crossing" in parts:
        rows = [one for one in CROSSINGS if not only or one.key in only]
        sections.append(Section("From one node to another", rows, CROSSING, read_cluster))
    if "growth" in parts:
        sections += [
            Section(f"Growth: {one.title}", growths(one), GROWTH, read_cluster)
            for one in GROWING
            if not only or one.key in only
        ]
    if "workers" in parts:
        sections.append(Section("Workers of one machine", WORKERS, WORKERS_MEASURES, read_workers))
    return sections


def measure_one(section: Section, row: Deployment, plan: Plan, results: Results, round_of: str) -> bool:
    """One deployment in one round; False when it failed."""
    started = time.monotonic()
    try:
        readings = section.read(row, plan)
    except Exception as error:  # noqa: BLE001 - One that fails is reported beside those that work.
        say(f"[{round_of}] {row.key}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()))
        return False
    results.add(row, readings)
    shown = "  ".join(f"{key} {value:.2f}" for key, value in readings.items())
    say(f"[{round_of}] {row.key} ({time.monotonic() - started:.0f} s): {shown}")
    return True


def read_cluster(row: Deployment, plan: Plan) -> dict[str, float]:
    with ExitStack() as stack:
        bus, nodes = deployed(stack, row, sorted(os.sched_getaffinity(0)))
        return uvloop.run(cross(bus, nodes, row, plan))


def read_workers(row: Deployment, plan: Plan) -> dict[str, float]:
    with serving(row.command, variables=row.environment) as server:
        return uvloop.run(measure_workers(server, row, plan))


if __name__ == "__main__":
    sys.exit(main())
