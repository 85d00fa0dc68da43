#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Do `weir audit verify` and the oracle agree about damaged logs? mutate_log damages them and says what it finds.

    agree.py MUTATE_LOG [--count N] [--seed N] [--first N]

Both must give the same verdict, find the same, and name the same record. Prints TAP; a log about which they do not agree
is made again with `--first NUMBER --count 1 --keep DIR`.
"""
import argparse
import collections
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "audit"))
try:
    import oracle
except ImportError:
    print("1..0 # SKIP there is no oracle.py")
    sys.exit(0)

# Most frames and notes are those of the log before: what depends on bytes alone need not be computed again.
for name in ("crc32c", "record_of", "openssl_verifies"):
    setattr(oracle, name, functools.lru_cache(1 << 14)(getattr(oracle, name)))


def given(directory, name):
    try:
        return oracle.read(directory, name)
    except FileNotFoundError:
        return None


def ask(directory):
    note, key = given(directory, "checkpoint"), given(directory, "key")
    try:
        log, _, _ = oracle.judge(os.path.join(directory, "log"), note and oracle.Note(note), key and key.decode())
        return "ok", log.next, "none"
    except oracle.Bad as e:
        return "bad", e.index, e.kind
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as e:
        return "error", 0, repr(e)


def compare(args, directory):
    """All the logs on which they differ, and what was found how often."""
    found, harmless, differ, begun = collections.Counter(), collections.Counter(), [], time.monotonic()
    command = [args.mutate, directory, str(args.seed), str(args.first), str(args.count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            number, status, index, finding, what = line.rstrip("\n").split(" ", 4)
            mine = ask(directory)
            found[finding] += 1
            if status == "ok":
                harmless["".join(c for c in what if not c.isdigit())] += 1
            if mine != (status, int(index), finding):
                differ.append("%s: weir %s %s %s, oracle %s %s %s: %s" % (
                    (number, status, index, finding) + mine + (what,)))
            if sum(found.values()) % 1000 == 0:
                print("# %d of %d logs after %.0f s" % (sum(found.values()), args.count, time.monotonic() - begun),
                      flush=True)
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
    os.makedirs(directory, exist_ok=True)
    try:
        found, harmless, differ = compare(args, directory)
    finally:
        if not args.keep:
            shutil.rmtree(directory)
    for name, count in sorted(found.items(), key=lambda x: -x[1]):
        print("# %6d %s" % (count, name))
    for name, count in harmless.most_common(30):
        print("# %6d in order in spite of: %s" % (count, name))
    for line in differ[:40]:
        print("# " + line)
    print("1..1\n%s 1 - weir and the oracle agree on %d damaged logs, seed %d%s" % (
        "not ok" if differ else "ok", args.count, args.seed, ", but for %d" % len(differ) if differ else ""))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
