"""`python -m screens.labs` lists the labs; `python -m screens.labs verify [SLUG]` compares them with their references."""

from __future__ import annotations

import argparse
import sys

from . import Check, LabError, catalogue, load


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m screens.labs", description="List the labs, or compare them with their references.")
    commands = parser.add_subparsers(dest="command")
    verify = commands.add_parser("verify", help="run each lab's comparison with its reference; exit 1 when one fails")
    verify.add_argument("slug", nargs="*", help="labs to verify; all when none is named")
    chosen = parser.parse_args(arguments)
    try:
        return verify_labs(chosen.slug) if chosen.command == "verify" else list_labs()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1


def list_labs() -> int:
    entries = catalogue()
    for entry in entries.values():
        print(f"{entry.track:<14} {entry.slug:<32} {entry.title}  [{', '.join(entry.makers) or 'no questions'}]")
    print(f"{len(entries)} labs")
    return 0


def verify_labs(slugs: list[str]) -> int:
    failures = total = 0
    print(f"{'lab':<30} {'what':<52} {'against':<54} {'difference':>10} {'tolerance':>10}")
    for slug in slugs or list(catalogue()):
        for check in load(slug).verify():
            total += 1
            failures += not check.passed
            print(_row(slug, check), flush=True)
    print(f"{total - failures} of {total} comparisons within tolerance")
    return 1 if failures or not total else 0


def _row(slug: str, check: Check) -> str:
    tolerance = f"{check.tolerance:.0e}" if check.tolerance else "exact"
    verdict = "" if check.passed else "  FAILED"
    return f"{slug:<30} {check.what:<52} {check.against:<54} {check.difference:>10.2e} {tolerance:>10}{verdict}"


if __name__ == "__main__":
    sys.exit(main())
