"""Measures Moongate and its peers one after another and prints a table: python -m benchmarks --help."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from benchmarks.measures import MEASURES, Plan, groups
from benchmarks.peers import ENHANCED, PEERS, Peer
from benchmarks.plot import draw
from benchmarks.processes import serving
from benchmarks.report import describe_machine, say, write_files
from benchmarks.results import Results
from benchmarks.table import write_table

QUICK = Plan(seconds=1.0, warm_up=1.0, connections=300)


def main() -> int:
    options = parse_arguments()
    peers = [
        peer for peer in (ENHANCED if options.enhancers else PEERS) if not options.only or peer.key in options.only
    ]
    asked = ["echo"] if options.enhancers else options.measure
    measures = [measure for measure in MEASURES if not asked or measure.key in asked]
    results = Results(peers, measures)
    raise_file_limit()
    plan = QUICK if options.quick else Plan()
    if options.seconds is not None:
        plan = replace(plan, seconds=options.seconds)
    repeats = options.repeats or (1 if options.quick else 3)

    failures = sum(
        not measure_one(peer, plan, results, options.cores, f"{number}/{repeats}")
        for number in range(1, repeats + 1)
        for peer in peers
    )
    text = f"{describe_machine()}\n\n{write_table(results)}"
    print(text)
    if not options.no_files:
        prefix = "enhancers-" if options.enhancers else ""
        readings = json.dumps(results.as_json(), indent=2) + "\n"
        write_files({f"{prefix}table.md": text, f"{prefix}plot.svg": draw(results), f"{prefix}readings.json": readings})
    return 1 if failures else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(":")[0])
    parser.add_argument(
        "--only",
        action="append",
        choices=[peer.key for peer in (*PEERS, *ENHANCED)],
        help="measure this server; repeatable",
    )
    parser.add_argument(
        "--enhancers", action="store_true", help="measure what guards, pipes, interceptors and filters add to an echo"
    )
    parser.add_argument(
        "--measure", action="append", choices=[measure.key for measure in MEASURES], help="only this; repeatable"
    )
    parser.add_argument("--seconds", type=float, help="length of each measurement (3; quick: 1)")
    parser.add_argument("--repeats", type=int, help="rounds through all servers (3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="a first impression, in a quarter of the time")
    parser.add_argument("--no-files", action="store_true", help="print the table and write nothing")
    parser.add_argument(
        "--cores", type=int, nargs=2, default=(0, 1), metavar=("SERVER", "CLIENT"), help="where to run (0 1)"
    )
    return parser.parse_args()


def measure_one(peer: Peer, plan: Plan, results: Results, cores: Sequence[int], round_of: str) -> bool:
    """One server in one round, on the first core, measured from the second; False when it failed."""
    started = time.monotonic()
    try:
        readings = read(peer, plan, [measure.key for measure in results.measures], cores)
    except Exception as error:  # noqa: BLE001 - One server that fails is reported beside those that work.
        say(f"[{round_of}] {peer.title}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()))
        return False
    results.add(peer, readings)
    shown = "  ".join(f"{key} {value:.2f}" for key, value in readings.items())
    say(f"[{round_of}] {peer.title} ({time.monotonic() - started:.0f} s): {shown}")
    return True


def read(peer: Peer, plan: Plan, keys: Sequence[str], cores: Sequence[int]) -> dict[str, float]:
    server_core, client_core = cores
    available = os.sched_getaffinity(0)
    readings: dict[str, float] = {}
    for group in groups(keys):
        with serving(peer.command, server_core) as server:
            os.sched_setaffinity(0, {client_core} & available or available)
            try:
                readings |= uvloop.run(group(server, peer.protocol, plan, keys))
            finally:
                os.sched_setaffinity(0, available)
    return readings


def raise_file_limit() -> None:
    """The usual soft limit of 1024 files is too low for the idle connections; the servers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
