# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the records of a log add up to, for oracle.py: heartbeats and the packets between them, clocks, files of events one by
one, and records that expired. Written from user/audit/README.md, as that is.
"""
import hashlib
import os
import re

WINDOWS = {"list.blocked", "list.would_block", "ratelimit.dropped", "ratelimit.would_drop", "ratelimit.marked",
           "ratelimit.challenged", "packet.malformed", "packet.fragment"}
CARRIED_OVER = {"system.restore", "audit.violation", "system.upgrade"}
UNSEEN = "over the event budget"
SILENCE_NS = 30 * 10**9
CLOCK_SLACK_NS = 5 * 10**8
RACE = 4096  # packets that are counted while the counters are being read


class Bad(Exception):
    """What is wrong, by the name that README.md has for it, and from which record on."""

    def __init__(self, kind, index, words):
        super().__init__(words)
        self.kind, self.index = kind, index


def root_of(leaves):
    if not leaves:
        return hashlib.sha256().digest()
    level = leaves
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def number(details, name):
    """A number, which may stand in a string; 0 if it is not there."""
    value = details.get(name, 0)
    return int(value) if isinstance(value, int) or isinstance(value, str) and re.fullmatch("[0-9]+", value) else 0


class Beat:
    def __init__(self, index, d):
        self.index = index
        for name in ("beat", "run", "epoch", "monotonic_ns", "dropped", "settled", "recorded", "unseen", "late_ms"):
            setattr(self, name, number(d, name))
        self.reasons = dict((k, int(v)) for k, _, v in (p.partition("=") for p in d["recorded_by_reason"].split()))


class Between:
    """What stands between two heartbeats."""

    def __init__(self):
        self.recorded, self.unseen, self.reasons = 0, 0, {}
        self.reset = self.replaced = self.hole = False


class Account:
    def __init__(self, directory):
        self.directory, self.problem = directory, None
        self.last, self.sums = None, Between()
        self.clocks, self.excused = [], False  # (offset, first record, excused) of the last commits

    def take(self, first, records, real_ns, boot_ns):
        """A batch; None stands for a record that expired. Keeps the first thing that does not add up."""
        try:
            for i, record in enumerate(records):
                if not self.problem:
                    self.take_record(first + i, record)
            if not self.problem:
                self.take_clocks(real_ns - boot_ns, first)
        except Bad as e:
            self.problem = e

    def take_record(self, index, record):
        if record is None:
            self.sums.replaced = self.excused = True
            return
        kind, d = record["event_type"], record["details"]
        if kind in WINDOWS:
            self.sums.recorded += number(d, "packets")
            reason = d.get("reason", "")
            self.sums.reasons[reason] = self.sums.reasons.get(reason, 0) + number(d, "packets")
        elif kind == "audit.loss":
            name = "unseen" if d.get("cause") == UNSEEN else "recorded"
            setattr(self.sums, name, getattr(self.sums, name) + number(d, "packets"))
            self.sums.hole |= number(d, "records") > 0 or number(d, "records_lost") > 0
        elif kind == "audit.storage_error":
            self.sums.hole = True
        elif kind == "audit.counters_reset":
            self.sums = Between()
            self.sums.reset = True
        elif kind in CARRIED_OVER:
            self.sums.replaced = self.excused = True
        elif kind in ("system.clock_step", "system.start"):
            self.excused = True
        elif kind == "audit.heartbeat":
            self.take_beat(Beat(index, d))
        elif kind == "traffic.evidence":
            self.take_evidence(index, d)

    def take_beat(self, b):
        was, s, told = self.last, self.sums, b.recorded + b.unseen
        self.last, self.sums, self.excused = b, Between(), self.excused or b.beat == 0
        if told < b.settled or told > b.dropped + RACE:
            raise Bad("heartbeat.sums", b.index, "other packets are in records than were dropped")
        if was is None or s.replaced:
            return
        if b.epoch != was.epoch and not s.reset:
            raise Bad("heartbeat.counters", b.index, "the counters are others")
        since = (0, 0, 0) if s.reset else (was.recorded, was.unseen, was.dropped)
        if (b.recorded < since[0]) or b.unseen < since[1] or b.dropped < since[2]:
            raise Bad("heartbeat.counters", b.index, "the counters went back")
        if (b.recorded - since[0], b.unseen - since[1]) != (s.recorded, s.unseen):
            raise Bad("heartbeat.sums", b.index, "the records do not add up to the counters")
        if b.run == was.run:
            self.check_run(was, s, b)

    def check_run(self, was, s, b):
        if b.beat != was.beat + 1 and not s.hole:
            raise Bad("heartbeat.missing", b.index, "a heartbeat is missing")
        if b.monotonic_ns - was.monotonic_ns > SILENCE_NS and not b.late_ms and not s.hole:
            raise Bad("heartbeat.missing", b.index, "no heartbeat for too long")
        if b.settled < was.dropped:
            raise Bad("heartbeat.sums", b.index, "packets that were dropped earlier are left open")
        for name, packets in b.reasons.items():
            if packets - was.reasons.get(name, 0) != s.reasons.get(name, 0):
                raise Bad("heartbeat.sums", b.index, "the records of a reason do not add up")

    def take_clocks(self, offset, first):
        self.clocks = self.clocks[-2:] + [(offset, first, self.excused)]
        self.excused = False
        if len(self.clocks) == 3:
            before, last, now = self.clocks
            if not last[2] and not now[2] and abs(last[0] - before[0]) > CLOCK_SLACK_NS:
                raise Bad("clock.step", last[1], "the clock was set, and no record says so")

    def take_evidence(self, index, d):
        name, count = d.get("sha256", ""), number(d, "events")
        if not re.fullmatch("[0-9a-f]{64}", name) or count > 65536:
            raise Bad("evidence.changed", index, "events without a name")
        try:
            with open(os.path.join(self.directory, "evidence", name), "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return
        size = number(d, "event_bytes")
        leaves = [hashlib.sha256(b"\0" + data[i * size:(i + 1) * size]).digest() for i in range(count)]
        if size != 64 or len(data) != count * size or hashlib.sha256(data).hexdigest() != name or root_of(leaves).hex() != d.get("root"):
            raise Bad("evidence.changed", index, "the events of a record were changed")


class Stubs:
    """Segments without the records that expired, and what says that they did."""

    def __init__(self):
        self.segments = []  # [segment, its first stub, SHA-256 of the file, explained]

    def read(self, records):
        for record in records:
            if not record or record["event_type"] not in ("retention.archived", "request.removed"):
                continue
            named = (record["details"].get("segment"), record["details"].get("sha256_after"))
            for s in self.segments:
                s[3] |= (s[0], s[2]) == named

    def end(self, segment):
        if segment.stubs:
            self.segments.append([segment.first, segment.stubs[0], hashlib.sha256(segment.data).hexdigest(), False])

    def judge(self):
        for _, first, _, explained in self.segments:
            if not explained:
                raise Bad("record.stubbed", first, "records were taken out, and no record explains what is left")
