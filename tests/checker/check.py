#!/usr/bin/env python3
"""Checks what Indelible writes, without a line of Indelible.

    check.py store DIR [--key VKEY]                           a whole store
    check.py proof FILE.tlog-proof --key VKEY                 that an event is in a log; FILE.json and FILE.salt beside it
    check.py consistency FILE --expect CHECKPOINT --key VKEY  that a log only grew
    check.py bundle FILE.zip --key VKEY                       the evidence for an answer, and that nothing is missing;
                                                              --expect, --challenge and --audit add what you know
    check.py query DIR QUESTION.json [--key VKEY]             what a store answers to a question, which is written as in a
                                                              bundle's query.json; of a store that is clean alone
    check.py batch                                            questions from stdin, answers as JSON, a line each

The exit code is that of the verdict: 0 clean, 4 unsupported, 10 damaged, 11 forged, 12 not authenticated,
13 rolled back, 14 incomplete; 2 where the question cannot be understood and 3 where a file cannot be read.
A question of a batch is what to check, the path, the key and what is expected, with tabs between; of a bundle besides the
seed, an audit and its auditor.
"""

import argparse
import json
import sys

from indelible_check.bundle import check_bundle_file
from indelible_check.proof import check_growth_file, check_proof_file
from indelible_check.store import ask_store, check_store
from indelible_check.verdict import EXIT_CODES


def ask_questions(path, key, questions):
    """The answers of a store to the questions in a file, a line each."""
    with open(questions, encoding="utf-8") as file:
        return ask_store(path, key, [json.loads(line) for line in file])


CHECKS = {"store": check_store, "proof": check_proof_file, "consistency": check_growth_file,
          "bundle": check_bundle_file, "query": ask_questions}


def run_batch():
    for line in sys.stdin:
        what, path, key, expected, *beside = line.rstrip("\n").split("\t")
        try:
            answer = CHECKS[what](path, key or None, expected or None, **of_bundle(*beside)).as_json()
        except Exception as error:  # One bad question must not end the others.
            answer = {"verdict": "none", "error": repr(error)}
        print(json.dumps(answer), flush=True)


def of_bundle(seed="", *audit):
    """What may be known of a bundle beside its key."""
    known = {"seed": seed, "audits": [audit] if any(audit) else []}
    return {name: value for name, value in known.items() if value}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*CHECKS, "batch"])
    parser.add_argument("path", nargs="?")
    parser.add_argument("question", nargs="?", help="of a query: the file that it stands in")
    parser.add_argument("--key", help="the verifier key of the log: name+id+base64")
    parser.add_argument("--expect", metavar="CHECKPOINT", help="an earlier checkpoint, from which the log must go on")
    parser.add_argument("--challenge", metavar="SEED", help="of a bundle: the seed that was to draw its sample")
    parser.add_argument("--audit", nargs=2, action="append", default=[], metavar=("NOTE", "AUDITOR"),
                        help="of a bundle: an index audit and its auditor's verifier key")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args()
    if args.what == "batch":
        return run_batch()
    if args.path is None or (args.question is None) != (args.what != "query"):
        parser.error("say what to check, and of a store with a question where this stands")
    try:
        beside = {"seed": args.challenge, "audits": args.audit} if args.what == "bundle" else {}
        report = CHECKS[args.what](args.path, args.key, args.question or args.expect, **beside)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(error, file=sys.stderr)
        return 3
    for answer in report.facts.get("answers", []) if report.verdict == "clean" and not args.json else []:
        print(answer.get("rows") or "".join(answer.values()), end="")
        return 0 if "rows" in answer else 2 if "refused" in answer else EXIT_CODES["unsupported"]
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        for verdict, what in report.faults:
            print(f"{verdict}: {what}")
        print(report.verdict)
    return EXIT_CODES[report.verdict]


if __name__ == "__main__":
    sys.exit(main())
