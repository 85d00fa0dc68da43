#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Do `weir audit verify` and the oracle agree about damaged logs? mutate_log damages them and says what it finds.

    agree.py MUTATE_LOG [--count N] [--seed N] [--first N]

Both must give the same verdict, and name the same record. Prints TAP; a log about which they do not agree is made again
with `--first NUMBER --count 1 --keep DIR`.
"""
import argparse
import collections
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "audit"))
try:
    import oracle
except ImportError:
    print("1..0 # SKIP there is no oracle.py")
    sys.exit(0)

BATCH = 5  # records, the most in these logs


def ask(directory):
    log = oracle.Log(directory)
    try:
        log.verify()
        return log, "ok", log.next, ""
    except oracle.Bad as e:
        return log, "bad", e.index, str(e)
    except (ValueError, OSError) as e:
        return log, "bad", 0, str(e)


def same(mine, status, index, finding):
    """The oracle names the first record that is not covered by a commit, or the one that it was at; weir the one that
    was changed or comes a second time, which can be another one of the batch, or an earlier one that is repeated."""
    log, verdict, at, _ = mine
    if (verdict, at) == (status, index) or verdict != status or status == "ok":
        return (verdict, at) == (status, index)
    if finding in ("frame.damaged", "record.changed"):
        return log.next <= index < log.next + BATCH
    if finding == "segment.header":  # of one whose name says that it begins before the one before it ends
        return index < at and os.path.exists(os.path.join(log.directory, "%020d.seg" % index))
    return finding == "record.order" and index < log.next + BATCH


def compare(args, directory):
    """All the logs on which they differ, and what was found how often."""
    found, harmless, differ = collections.Counter(), collections.Counter(), []
    command = [args.mutate, directory, str(args.seed), str(args.first), str(args.count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            number, status, index, finding, what = line.rstrip("\n").split(" ", 4)
            mine = ask(os.path.join(directory, "log"))
            found[finding] += 1
            if status == "ok":
                harmless["".join(c for c in what if not c.isdigit())] += 1
            if not same(mine, status, int(index), finding):
                differ.append("%s: weir %s %s %s, oracle %s %s %s: %s" % (
                    (number, status, index, finding) + mine[1:] + (what,)))
            try:
                process.stdin.write("\n")
                process.stdin.flush()
            except BrokenPipeError:
                break
    if process.returncode or sum(found.values()) != args.count:
        differ.append("mutate ended with %s after %d logs" % (process.returncode, sum(found.values())))
    return found, harmless, differ


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mutate")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep")
    args = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = args.keep or tempfile.mkdtemp(prefix="weir-agree-", dir=memory)
    try:
        found, harmless, differ = compare(args, directory)
    finally:
        if not args.keep:
            shutil.rmtree(directory)
    for name, count in sorted(found.items(), key=lambda x: -x[1]):
        print("# %6d %s" % (count, name))
    for name, count in harmless.most_common(20):
        print("# %6d in order in spite of: %s" % (count, name))
    for line in differ[:40]:
        print("# " + line)
    print("1..1\n%s 1 - weir and the oracle agree on %d damaged logs, seed %d%s" % (
        "not ok" if differ else "ok", args.count, args.seed, ", but for %d" % len(differ) if differ else ""))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
