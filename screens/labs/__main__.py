"""`python -m screens.labs` lists the labs; `python -m screens.labs verify [SLUG]` compares them with their references."""

from __future__ import annotations

import argparse
import json
import sys

from . import Check, LabError, catalogue, load
from .catalogue import RECORD, recorded
from .shape import closest_call


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m screens.labs", description="List the labs, or compare them with their references.")
    commands = parser.add_subparsers(dest="command")
    verify = commands.add_parser("verify", help="run each lab's comparison with its reference; exit 1 when one fails")
    verify.add_argument("slug", nargs="*", help="labs to verify; all when none is named")
    verify.add_argument("--record", action="store_true", help="keep the closest call of each lab in verified.json, for the page to show")
    chosen = parser.parse_args(arguments)
    try:
        return verify_labs(chosen.slug, record=chosen.record) if chosen.command == "verify" else list_labs()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1


def list_labs() -> int:
    entries = catalogue()
    for entry in entries.values():
        print(f"{entry.track:<14} {entry.slug:<32} {entry.title}  [{', '.join(entry.makers) or 'no questions'}]")
    print(f"{len(entries)} labs")
    return 0


def verify_labs(slugs: list[str], *, record: bool = False) -> int:
    failures = total = 0
    kept = recorded() if record else {}
    print(f"{'lab':<30} {'what':<52} {'against':<54} {'difference':>10} {'tolerance':>10}")
    for slug in slugs or list(catalogue()):
        checks = load(slug).verify()
        for check in checks:
            total += 1
            failures += not check.passed
            print(_row(slug, check), flush=True)
        if record and all(check.passed for check in checks):
            closest = closest_call(checks)
            kept[slug] = {"checks": len(checks), "difference": float(f"{closest.difference:.1e}"), "tolerance": closest.tolerance}
    if record:
        RECORD.write_text(json.dumps({slug: kept[slug] for slug in catalogue() if slug in kept}, indent=1) + "\n", encoding="utf-8")
    print(f"{total - failures} of {total} comparisons within tolerance")
    return 1 if failures or not total else 0


def _row(slug: str, check: Check) -> str:
    tolerance = f"{check.tolerance:.0e}" if check.tolerance else "exact"
    verdict = "" if check.passed else "  FAILED"
    return f"{slug:<30} {check.what:<52} {check.against:<54} {check.difference:>10.2e} {tolerance:>10}{verdict}"


if __name__ == "__main__":
    sys.exit(main())
