#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Computes every risk in a log again, from records on stdin (one JSON value per line) and user/risk/README.md alone."""
import json
import sys

BASE = {1: 10, 2: 25, 3: 50, 4: 75, 5: 95}
TABLE = [round(65536 * 2 ** (-i / 64)) for i in range(64)]
LEVELS = [(90000, "critical"), (75000, "high"), (50000, "medium"), (25000, "low"), (0, "none")]


def level(points):
    return next(name for least, name in LEVELS if points >= least)


def check(condition, record, words):
    if not condition:
        sys.exit(f"record {record['index']}: {words}: {json.dumps(record['details'])}")


def check_source(source, score, record, last):
    decayed = (source["last"] * TABLE[source["steps"] % 64] >> 16) >> (source["steps"] // 64)
    share = score * 1000 // (1 + source["repeat"])
    after = 100000 - (100000 - decayed) * (100000 - share) // 100000
    check(source["after"] == after, record, f"the points of the source come to {after}")
    check(source["level"] == level(after), record, "the level of the source")
    check(source["last"] in (0, last), record, f"the record before of this source left it at {last}")


def main():
    sources, scores = {}, 0
    for line in sys.stdin:
        record = json.loads(line)
        risk = record["details"].get("risk")
        if not risk:
            category = record["event_type"].split(".")[0]
            check(category not in ("ratelimit", "security", "watchdog"), record, "there is no risk")
            continue
        scores += 1
        score = min(100, risk["base"] * risk["confidence"] * risk["asset"] * risk["reputation"] // 10**6)
        check(risk["base"] == BASE[record["severity"]], record, "the base of the severity")
        check(risk["score"] == score, record, f"the score comes to {score}")
        check(risk["level"] == level(score * 1000), record, "the level of the score")
        if "source" in risk:
            name = record["resource"]["id"]
            check_source(risk["source"], score, record, sources.get(name, 0))
            sources[name] = risk["source"]["after"]
    print(scores, "risks of", len(sources), "sources")
    sys.exit(0 if scores and sources else "there is nothing to compute")


main()
