#!/usr/bin/env python3
"""Checks an Indelible store, without a line of Indelible.

    check.py store DIR [--key VKEY]           the whole store
    check.py batch                            lines `store<TAB>DIR<TAB>VKEY` from stdin, a line of JSON for each

The exit code is that of the verdict: 0 clean, 4 unsupported, 10 damaged, 11 forged, 12 not authenticated,
13 rolled back, 14 incomplete; 2 where the question cannot be understood and 3 where a file cannot be read.
"""

import argparse
import json
import sys

from indelible_check.store import check_store
from indelible_check.verdict import EXIT_CODES

CHECKS = {"store": check_store}


def run_batch():
    for line in sys.stdin:
        what, path, key = line.rstrip("\n").split("\t")
        try:
            answer = CHECKS[what](path, key or None).as_json()
        except Exception as error:  # One bad question must not end the others.
            answer = {"verdict": "none", "error": repr(error)}
        print(json.dumps(answer), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*CHECKS, "batch"])
    parser.add_argument("path", nargs="?")
    parser.add_argument("--key", help="the verifier key of the log: name+id+base64")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args()
    if args.what == "batch":
        return run_batch()
    if args.path is None:
        parser.error("say what to check")
    try:
        report = CHECKS[args.what](args.path, args.key)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(error, file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        for verdict, what in report.faults:
            print(f"{verdict}: {what}")
        print(report.verdict)
    return EXIT_CODES[report.verdict]


if __name__ == "__main__":
    sys.exit(main())
