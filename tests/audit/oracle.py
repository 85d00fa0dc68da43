#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A verifier of weir's audit log that shares nothing with weir: written from user/audit/README.md, with the
standard library and the openssl program. The tests hold `weir audit verify` against it.

    oracle.py log DIR [--checkpoint FILE] [--key VKEY]     segments, state, chain, tree, tiles, checkpoints, sums
    oracle.py proof FILE --key VKEY                        a proof of inclusion, by itself
    oracle.py tlog DIR --key VKEY                          a directory by C2SP tlog-tiles

The last line is "ok ..." or "bad INDEX KIND WORDS"; the exit status 0 or 1. What the records add up to is sums.py's.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from sums import Account, Bad, Stubs, root_of

NONE = 2**64 - 1
BLOCK = 4096
TILE = 256
RECORD, COMMIT, END, STUB, GONE = 1, 2, 3, 4, 5
MEMBERS = ["action", "actor", "details", "event_id", "event_type", "index", "outcome", "previous_hash",
           "resource", "severity", "timestamp"]


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def segment_name(first):
    return "%020d.seg" % first


def make_crc32c():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ table[(crc ^ byte) & 255]
        return crc ^ 0xFFFFFFFF
    return crc32c


crc32c = make_crc32c()


def block(data, magic):
    """The fields of a block of 4,096 bytes, which ends in its hash."""
    if len(data) != BLOCK or data[:8] != magic or sha(data[:-32]) != data[-32:]:
        raise ValueError("a block is damaged")
    if struct.unpack_from("<I", data, 8)[0] != 1:
        raise ValueError("a block of another format")
    return data


class Header:
    def __init__(self, data):
        block(data, b"WEIRSEG1")
        self.incarnation, = struct.unpack_from("<I", data, 12)
        self.chain = data[16:32]
        self.first, = struct.unpack_from("<Q", data, 32)
        self.previous_hash = data[40:72]
        self.previous, self.end, self.tail = struct.unpack_from("<3Q", data, 96)
        self.tail_hash = data[120:152]
        self.previous_seal = data[152:184]
        self.seal = data[4064:]
        if any(data[184:4064]):
            raise ValueError("a header with more in it")


def state_of(data):
    """Both slots, the newer first: (sequence, incarnation, chain, segment, offset, next, hash, seal)."""
    if len(data) != 2 * BLOCK:
        raise ValueError("the state file has another size")
    slots = []
    for n in range(2):
        slot = block(data[n * BLOCK:(n + 1) * BLOCK], b"WEIRSTA1")
        incarnation, sequence = struct.unpack_from("<IQ", slot, 12)
        if sequence % 2 != n or any(slot[128:4064]):
            raise ValueError("a slot of the state file is not what it should be")
        slots.append((sequence, incarnation, slot[24:40]) + struct.unpack_from("<3Q", slot, 40) +
                     (slot[64:96], slot[96:128]))
    slots.sort(key=lambda s: -s[0])
    if slots[0][0] != slots[1][0] + 1:
        raise ValueError("the slots of the state file do not follow each other")
    return slots


def no_float(text):
    raise ValueError("a number that is no integer: " + text)


def depth(value):
    """How deep it is nested; its numbers are such as a record can have."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, int) and abs(value) >= 2**53:
        raise ValueError("too large a number")
    return 0


def is_text(value):
    return isinstance(value, str)


def is_personal(value):
    """Text, or what stands for it."""
    return is_text(value) or isinstance(value, dict) and is_sealed(value)


def is_sealed(value):
    parts = [value.get("sealed"), value.get("subject")]
    return len(value) == 2 and all(map(is_text, parts)) and [is_base64url(p) for p in parts] == [32, 8]


def is_base64url(text):
    """How many bytes it stands for; None: it is none."""
    if not re.fullmatch("[A-Za-z0-9_-]*", text):
        return None
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return len(raw) if base64.urlsafe_b64encode(raw).decode().rstrip("=") == text else None


def record_of(data):
    """A record in the one form that it can have."""
    record = json.loads(data.decode("utf-8"), parse_float=no_float, parse_constant=no_float)
    again = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if again.encode() != data or list(record) != MEMBERS or len(data) > 65000 or depth(record) > 8:
        raise ValueError("not canonical")
    actor, resource, details = record["actor"], record["resource"], record["details"]
    if list(actor) != ["ip_address", "role", "user_id", "username"] or not is_text(actor["role"]) or \
            not all(map(is_personal, actor.values())):
        raise ValueError("another actor")
    if list(resource) != ["id", "type"] or not is_text(resource["type"]) or not is_personal(resource["id"]):
        raise ValueError("another resource")
    if not isinstance(details, dict) or any(list(v)[:1] == ["sealed"] and not is_sealed(v)
                                            for v in details.values() if isinstance(v, dict)):
        raise ValueError("other details")
    if record["outcome"] not in ("success", "failure", "denied") or type(record["severity"]) is not int or \
            record["severity"] not in range(1, 6) or type(record["index"]) is not int or record["index"] < 0:
        raise ValueError("another outcome, severity or index")
    if not all(is_text(record[m]) for m in ("action", "event_type")) or len(record["timestamp"]) != 30 or \
            not re.fullmatch("[0-9a-f]{64}", record["previous_hash"]) or not re.fullmatch(
                "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", record["event_id"]):
        raise ValueError("another hash, id or time")
    return record


def event_id(chain, index):
    name = bytearray(sha(chain, struct.pack(">Q", index))[:16])
    name[6] = name[6] & 0x0F | 0x80
    name[8] = name[8] & 0x3F | 0x80
    h = name.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


class Segment:
    """A file of the log: what of it counts, and how far it was read."""

    def __init__(self, first, data, header):
        self.first, self.data, self.header = first, data, header
        self.offset, self.saved = BLOCK, 0  # after the last commit or end; room that its records had before they expired
        self.limit = None  # where it ended as it was written, if the next one says so
        self.stubs = []  # indexes of the records that expired

    def counting(self, saved):
        return len(self.data) if self.limit is None else max(0, min(len(self.data), self.limit - saved))


class Batch:
    """What was read since the last commit."""

    def __init__(self, segment):
        self.at, self.saved, self.hashes, self.records, self.stubs = segment.offset, segment.saved, [], [], []
        self.broken = False  # the last record does not name the hash before it


class Log:
    """Walks the segments in their order."""

    def __init__(self, directory):
        self.directory = directory
        self.leaves, self.account, self.stubs = [], Account(directory), Stubs()
        self.next, self.hash, self.seal, self.chain = 0, bytes(32), None, None
        self.tips = []  # of the last two commits, as the state file has them
        self.segment = None
        self.rotations = []  # (index, note)

    def bad_header(self, first):
        return Bad("segment.header", min(self.next, first), "a header that is damaged or does not fit")

    def enter(self, first, last):
        """The next segment; None: it is still being written."""
        data = read(self.directory, segment_name(first))
        if len(data) < BLOCK and last:
            return None
        try:
            h = Header(data[:BLOCK])
        except ValueError:
            raise self.bad_header(first) from None
        if h.first != first:
            raise self.bad_header(first)
        self.link(h)
        self.seal, self.chain = h.seal, h.chain
        return Segment(first, data, h)

    def link(self, h):
        before = self.segment
        if before is None:
            if h.first != 0:
                raise Bad("segment.missing", 0, "the first segment is missing")
            if (h.incarnation, h.previous, h.end, h.tail) != (0, NONE, 0, 0) or any(
                    h.previous_hash + h.tail_hash + h.previous_seal):
                raise self.bad_header(0)
            return
        if h.incarnation > before.header.incarnation:
            raise Bad("chain.violation", self.next, "a violation, which weir itself found")
        if h.previous != before.first and h.first > self.next:
            raise Bad("segment.missing", self.next, "a segment is missing")
        if h.previous == before.first:
            self.check_tail(before, h)
        if (h.previous, h.incarnation, h.chain, h.first, h.previous_hash, h.previous_seal) != (
                before.first, before.header.incarnation, self.chain, self.next, self.hash, self.seal):
            raise self.bad_header(h.first)

    def check_tail(self, before, h):
        rest = before.data[before.offset:]
        if before.offset + before.saved < h.end:
            raise Bad("segment.short", self.next, "a segment ends before its records do")
        if len(rest) != h.tail or h.tail_hash != (sha(rest) if rest else bytes(32)):
            raise Bad("segment.tail", self.next, "what follows the records of a segment was changed")

    def broken(self, batch, confirmed=None):
        """Of two records that do not fit, which one was changed? Who comes next may confirm the second."""
        index = self.next + len(batch.hashes) - 1
        if len(batch.hashes) > 1 and confirmed == batch.hashes[-1]:
            index -= 1
        return Bad("record.changed", index, "a record does not have the hash it had")

    def damaged(self, batch, index):
        return self.broken(batch) if batch.broken else Bad("frame.damaged", index, "a frame is damaged")

    def frame(self, s, batch):
        """(type, index, payload, size), or None where the file ends before the frame does."""
        data, at, end = s.data, batch.at, s.counting(batch.saved)
        if end - at < 20:
            return None
        length, crc, kind, index = struct.unpack_from("<IIB3xQ", data, at)
        size = (20 + length + 7) // 8 * 8
        due = self.next + (0 if length == 96 and kind != RECORD else len(batch.hashes))
        good = {RECORD: 1 <= length <= 65000, GONE: 56 < length <= 56 + 32 * 16384 and length % 32 == 24}.get(
            kind, length == {COMMIT: 96, END: 96, STUB: 36}.get(kind))
        if not good or any(data[at + 9:at + 12]):
            raise self.damaged(batch, due)
        if end - at < size:
            return None
        payload = data[at + 20:at + 20 + length]
        if crc != crc32c(data[at:at + 4] + data[at + 8:at + 20 + length]) or any(data[at + 20 + length:at + size]):
            raise self.damaged(batch, due)
        return kind, index, payload, size

    def take_record(self, batch, payload, frame_index):
        index = self.next + len(batch.hashes)
        try:
            record = record_of(payload)
        except (ValueError, KeyError, TypeError, RecursionError) as e:
            raise self.broken(batch) if batch.broken else Bad("record.syntax", index, "no record: %s" % e) from e
        if batch.broken:
            raise self.broken(batch, bytes.fromhex(record["previous_hash"]))
        if record["index"] != frame_index:
            raise Bad("frame.damaged", index, "a record in a frame of another number")
        if record["index"] != index:
            raise Bad("record.order", min(index, record["index"]), "a record is missing or comes a second time")
        if record["event_id"] != event_id(self.chain, index):
            raise Bad("record.changed", index, "an event_id of another chain or place")
        batch.broken = record["previous_hash"] != (batch.hashes[-1] if batch.hashes else self.hash).hex()
        batch.records.append(record)
        if record["event_type"] == "audit.key_rotated":
            self.rotations.append((index, record["details"].get("note")))
        batch.hashes.append(sha(b"\0", payload))

    def take_stub(self, batch, payload, frame_index, size):
        index = self.next + len(batch.hashes)
        if batch.broken:
            raise self.broken(batch)
        if frame_index != index:
            raise Bad("record.order", index, "the stub of another record")
        length, = struct.unpack_from("<I", payload, 32)
        if not 36 <= length <= 65000:
            raise Bad("frame.damaged", index, "a stub of a record that could not be")
        batch.saved += (20 + length + 7) // 8 * 8 - size
        batch.stubs.append(index)
        batch.records.append(None)
        batch.hashes.append(payload[:32])

    def take_gone(self, s, batch, index, payload, size):
        """Batches that expired as a whole: their hashes, and what the last one was sealed with."""
        taken, real, boot = struct.unpack_from("<3Q", payload)
        hashes = [payload[i:i + 32] for i in range(56, len(payload), 32)]
        if batch.broken:
            raise self.broken(batch)
        if batch.hashes:
            raise Bad("frame.damaged", self.next + len(batch.hashes), "batches that expired begin in the midst of one")
        if index != self.next:
            raise Bad("record.order", self.next, "what expired is of other records")
        if taken % 8 or taken >= 2**63 or taken < 56 * len(hashes) + 120:
            raise Bad("frame.damaged", self.next, "batches that took so little could not be")
        batch.saved += taken - size
        batch.stubs += range(index, index + len(hashes))
        batch.hashes = hashes
        self.take_batch(s, batch, [None] * len(hashes), real, boot, payload[24:56])

    def take_commit(self, s, batch, index, payload):
        first, count = struct.unpack_from("<2Q", payload)
        if batch.broken:
            raise self.broken(batch, payload[16:48])
        if payload[64:] != sha(bytes([COMMIT]), self.seal, payload[:64]) or first != self.next or \
                index != first + count or not count:
            raise Bad("commit.changed", self.next, "a commit is not as it was written")
        if count != len(batch.hashes):
            raise Bad("record.order", first + min(count, len(batch.hashes)), "a record is missing or was added")
        if payload[16:48] != batch.hashes[-1]:
            raise Bad("record.changed", first + count - 1, "the commit names another hash")
        self.take_batch(s, batch, batch.records, *struct.unpack_from("<2Q", payload, 48), payload[64:])

    def take_batch(self, s, batch, records, real, boot, seal):
        self.account.take(self.next, records, real, boot)
        self.stubs.read(records)
        self.leaves += batch.hashes
        self.next, self.hash, self.seal = self.next + len(batch.hashes), batch.hashes[-1], seal
        s.offset, s.saved = batch.at, batch.saved
        s.stubs += batch.stubs
        self.tips = self.tips[-1:] + [(s.header.incarnation, s.header.chain, s.first, s.offset + s.saved,
                                       self.next, self.hash, self.seal)]

    def take_end(self, s, batch, index, payload):
        if batch.broken:
            raise self.broken(batch)
        if batch.hashes or struct.unpack_from("<2Q", payload) != (self.next, 0) or index != self.next or \
                payload[16:48] != self.hash or payload[64:] != sha(bytes([END]), self.seal, payload[:64]):
            raise Bad("commit.changed", self.next, "the end of a segment is not as it was written")
        self.seal, s.offset = payload[64:], batch.at
        if s.counting(s.saved) > s.offset:
            raise Bad("segment.tail", self.next, "bytes behind the end of a segment")

    def walk(self, s):
        """All batches of a segment."""
        batch = Batch(s)
        while True:
            found = self.frame(s, batch)
            if found is None:
                if batch.broken:
                    raise self.broken(batch)
                return
            kind, index, payload, size = found
            if kind in (RECORD, STUB) and (
                    len(batch.hashes) == 16384 or batch.at + size - s.offset > 4 << 20):
                raise Bad("frame.damaged", self.next + len(batch.hashes), "a batch is too large")
            batch.at += size
            if kind == GONE:
                self.take_gone(s, batch, index, payload, size)
                batch = Batch(s)
            elif kind == RECORD:
                self.take_record(batch, payload, index)
            elif kind == STUB:
                self.take_stub(batch, payload, index, size)
            elif kind == COMMIT:
                self.take_commit(s, batch, index, payload)
                batch = Batch(s)
            else:
                self.take_end(s, batch, index, payload)
                return

    def walk_all(self, acknowledged):
        names = sorted(int(n[:20]) for n in os.listdir(self.directory) if re.fullmatch(r"\d{20}\.seg", n))
        for i, first in enumerate(names):
            last = i == len(names) - 1
            s = self.enter(first, last)
            if s is None:
                return
            if not last:
                s.limit = self.limit_of(first, names[i + 1])
            self.segment = s
            try:
                self.walk(s)
            except Bad:
                if last and self.tips and self.tips[-1] == acknowledged:
                    raise Bad("segment.tail", self.next, "what follows was never acknowledged") from None
                raise
            self.stubs.end(s)

    def limit_of(self, first, following):
        try:
            after = Header(read(self.directory, segment_name(following))[:BLOCK])
        except ValueError:
            return None
        return after.end if (after.first, after.previous) == (following, first) and after.tail else None

    def verify(self):
        """Segments, chain and state file. What adds up, and what trees say, is looked at after that."""
        acknowledged, wrong = None, None
        try:
            acknowledged = state_of(read(self.directory, "state"))[0][1:]
        except FileNotFoundError:
            wrong = "state.missing"
        except ValueError:
            wrong = "state.damaged"
        self.walk_all(acknowledged)
        if wrong:
            raise Bad(wrong, self.next, "whether records were cut off cannot be told")
        if acknowledged[4] > self.next:
            raise Bad("log.truncated", self.next, "acknowledged records are missing at the end")
        if self.segment and acknowledged not in self.tips and (self.tips[1:] or acknowledged[4]):
            raise Bad("state.damaged", acknowledged[4], "the log does not end where the state file says")


def key_of(text):
    """Name, id and bytes of a verifier key."""
    parts = text.split("+", 2)
    raw = base64.b64decode(parts[-1], validate=True)
    if len(parts) != 3 or len(raw) != 33 or raw[0] != 1 or not parts[0] or base64.b64encode(raw).decode() != parts[2] or \
            sha(parts[0].encode(), b"\n", raw)[:4].hex() != parts[1]:
        raise ValueError("no verifier key: " + text)
    return parts[0], parts[1], raw


class Note:
    """A signed note that states a tree: origin, size, root. Without a @tree any other text is signed."""

    def __init__(self, data, tree=True):
        if len(data) > 65536 or not data.endswith(b"\n") or re.search(rb"[\x00-\x09\x0b-\x1f]", data):
            raise ValueError("no note")
        text, gap, signatures = data.decode("utf-8").rpartition("\n\n")
        if not gap:
            raise ValueError("no note")
        self.text = (text + "\n").encode()
        self.signatures = []
        for line in signatures.splitlines():
            match = re.fullmatch("— (\\S+) (\\S+)", line)
            if not match:
                raise ValueError("no signature: " + line)
            raw = base64.b64decode(match[2], validate=True)
            if base64.b64encode(raw).decode() != match[2] or len(raw) < 5:
                raise ValueError("no signature: " + line)
            self.signatures.append((match[1], raw[:4], raw[4:]))
        if not tree:
            return
        lines = text.split("\n")
        if len(lines) < 3 or not lines[0] or not re.fullmatch("0|[1-9][0-9]*", lines[1]) or "" in lines:
            raise ValueError("no checkpoint")
        self.origin, self.size = lines[0], int(lines[1])
        self.root = base64.b64decode(lines[2], validate=True)
        if len(self.root) != 32 or base64.b64encode(self.root).decode() != lines[2]:
            raise ValueError("no root")

    def verify(self, key):
        """All signatures by the verifier key are good, and there is one."""
        name, number, raw = key_of(key)
        mine = [s for n, i, s in self.signatures if (n, i.hex()) == (name, number)]
        if not mine:
            raise KeyError("not signed by " + key)
        for signature in mine:
            if not openssl_verifies(raw[1:], self.text, signature):
                raise ValueError("a bad signature by " + key)


def openssl_verifies(key, text, signature):
    with tempfile.TemporaryDirectory() as d:
        for name, data in (("key", bytes.fromhex("302a300506032b6570032100") + key), ("text", text),
                           ("signature", signature)):
            with open(os.path.join(d, name), "wb") as f:
                f.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey",
                   d + "/key", "-in", d + "/text", "-sigfile", d + "/signature"]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0


def tile_name(level, number, width=TILE):
    parts = ["%03d" % (number % 1000)]
    while number >= 1000:
        number //= 1000
        parts.insert(0, "x%03d" % (number % 1000))
    return "tile/%s/%s%s" % (level, "/".join(parts), "" if width == TILE else ".p/%d" % width)


def check_tiles(directory, leaves, partial):
    """Every tile of the tree, against what the leaves make. Full ones may be missing unless @partial. Returns how many
    are right, and the first leaf that one has otherwise, or None."""
    level, hashes, count, wrong = 0, leaves, 0, []
    while hashes:
        for number in range((len(hashes) + TILE - 1) // TILE):
            part = hashes[number * TILE:(number + 1) * TILE]
            path = os.path.join(directory, tile_name(level, number, len(part)))
            if len(part) < TILE and not partial or not partial and not os.path.exists(path):
                continue
            data = read(path)
            if data == b"".join(part):
                count += 1
                continue
            same = 0
            while len(data) == 32 * len(part) and data[32 * same:32 * same + 32] == part[same]:
                same += 1
            wrong.append((number * TILE + same) * TILE ** level)
        hashes = [root_of(hashes[i:i + TILE]) for i in range(0, len(hashes) // TILE * TILE, TILE)]
        level += 1
    return count, min(wrong, default=None)


def signed(note, key):
    try:
        note.verify(key)
        return True
    except (KeyError, ValueError):
        return False


def is_rotation(text):
    """Its old and its new key, if both signed it; else None."""
    try:
        note = Note(text.encode(), False)
        head, old, new = note.text.decode().splitlines()
    except (ValueError, AttributeError):
        return None
    if head == "weir key rotation" and old.split("+")[0] == new.split("+")[0] and signed(note, old) and \
            signed(note, new):
        return old, new
    return None


def leads(rotations, key, size):
    """The keys that may have signed a tree of that size, for who trusts key: README.md, "Rotations"."""
    pairs = [(index, *is_rotation(text)) for index, text in rotations if is_rotation(text)]
    later, earlier, former = {key}, {key}, set()
    for index, old, new in pairs:
        if old in later and index < size:
            later.add(new)
    for index, old, new in reversed(pairs):
        if new in earlier:
            earlier.add(old)
            if index >= size:
                former.add(old)
    return later | former


def check_signed(note, keys):
    """The newest of the keys that the note has a line of decides."""
    for key in reversed(keys):
        try:
            note.verify(key)
            return
        except KeyError:
            continue
        except ValueError:
            break
    raise Bad("checkpoint.signature", 0, "the checkpoint is not signed by a key that counts")


def check_tree(note, leaves, wrong=None):
    if note.size > len(leaves):
        raise Bad("log.rolled_back", len(leaves), "a checkpoint covers %d records, there are %d" % (
            note.size, len(leaves)))
    if root_of(leaves[:note.size]) != note.root:
        raise Bad("checkpoint.root", wrong if wrong is not None and wrong < note.size else 0,
                  "the records are not those that a checkpoint signed")


def list_of_keys(directory):
    """None: there is no list."""
    try:
        data = read(directory, "keys")
    except FileNotFoundError:
        return None
    try:
        if not data.endswith(b"\n") or b"\0" in data:
            raise ValueError("no list")
        lines = [line.partition(" ") for line in data.decode("latin-1").split("\n")[:-1]]
        for key, _, since in lines:
            key_of(key)
            if len(since) != 30:
                raise ValueError("no time")
        return [key for key, _, _ in lines]
    except ValueError:
        raise Bad("checkpoint.signature", 0, "the log's list of keys is none") from None


class Notes:
    """The log's checkpoint, and the one that was kept elsewhere."""

    def __init__(self, directory, given=None, key=None):
        self.own, self.given, self.forged = None, None, None
        self.key, self.unsigned = key, []  # notes that the key did not sign itself
        try:
            self.load(directory, given, key)
        except Bad as e:
            self.forged = e

    def load(self, directory, given, key):
        keys = None
        try:
            self.own = Note(read(directory, "checkpoint"))
        except FileNotFoundError:
            if key:
                raise Bad("checkpoint.missing", 0, "no checkpoint that the key could have signed") from None
        except ValueError as e:
            raise Bad("checkpoint.signature", 0, "no checkpoint: %s" % e) from e
        for note in (self.own, given):
            if note is given and given:
                self.given = given
                if self.own and self.own.origin != given.origin:
                    raise Bad("checkpoint.origin", 0, "a checkpoint of another log")
            if note and key:
                try:
                    note.verify(key)
                except KeyError:
                    self.unsigned.append(note)
                except ValueError:
                    raise Bad("checkpoint.signature", 0, "no signature of the key") from None
            elif note:
                keys = keys or list_of_keys(directory)
                if keys is not None:
                    check_signed(note, keys)

    def follow(self, rotations):
        """What the key did not sign, one that it leads to must have."""
        for note in self.unsigned:
            if not self.forged and not any(signed(note, k) for k in leads(rotations, self.key, note.size)):
                self.forged = Bad("checkpoint.signature", 0, "signed by nobody that the key leads to")

    def check(self, leaves, wrong):
        if self.forged:
            raise self.forged
        for note in (self.own, self.given):
            if note:
                check_tree(note, leaves, wrong)


def judge(directory, given=None, key=None):
    """All that can be said of a log. Returns it, and how many records are covered and tiles are right."""
    log, notes = Log(directory), Notes(directory, given, key)
    log.verify()
    notes.follow(log.rotations)
    tiles, wrong = check_tiles(directory, log.leaves, False)
    notes.check(log.leaves, wrong)
    if wrong is not None:
        raise Bad("tile.changed", wrong, "a tile is not that of the records")
    if log.account.problem:
        raise log.account.problem
    log.stubs.judge()
    return log, notes.own.size if notes.own else "none", tiles


def verify_log(args):
    log, covered, tiles = judge(args.directory, args.checkpoint and Note(read(args.checkpoint)), args.key)
    return "%d records, %s covered, %d tiles, last hash %s" % (log.next, covered, tiles, log.hash.hex())


def include(leaf, index, size, path, root):
    """RFC 6962, 2.1.1, from the definition: split at the largest power of two below the size."""
    def climb(index, size, path):
        if size == 1:
            if path:
                raise ValueError("the path is too long")
            return leaf
        if not path:
            raise ValueError("the path is too short")
        k = 1 << (size - 1).bit_length() - 1
        if index < k:
            return sha(b"\1", climb(index, k, path[:-1]), path[-1])
        return sha(b"\1", path[-1], climb(index - k, size - k, path[:-1]))
    if index >= size or climb(index, size, path) != root:
        raise ValueError("the path does not lead to the root")


def verify_proof(args):
    head, gap, note = read(args.directory).partition(b"\n\n")
    lines = head.decode("ascii").split("\n")
    if not gap or lines[0] != "c2sp.org/tlog-proof@v1" or not lines[1].startswith("extra ") or \
            not re.fullmatch("index (0|[1-9][0-9]*)", lines[2]):
        raise ValueError("no proof")
    data = base64.b64decode(lines[1][6:], validate=True)
    index = int(lines[2][6:])
    expired = len(data) >= 32 and not data.startswith(b'{"action":')
    if expired:
        data, gap, notes = data[:32], data[32:33], data[33:]
    else:
        data, gap, notes = data.partition(b"\n")
    leaf = data if expired else sha(b"\0", data)
    what = "an expired record" if expired else "record %d" % record_of(data)["index"]
    note = Note(note)
    path = [base64.b64decode(line, validate=True) for line in lines[3:]]
    include(leaf, index, note.size, path, note.root)
    notes = re.split("(?m)^(?=weir key rotation\n)", notes.decode())
    if gap not in (b"", b"\n") or notes.pop(0) or bool(gap) != bool(notes):
        raise ValueError("what follows the record is no rotation")
    rotations = list(enumerate(notes))
    if any(not is_rotation(text) for text in notes):
        raise ValueError("a rotation that its keys did not sign")
    if not any(signed(note, k) for k in leads(rotations, args.key, len(notes))):
        raise ValueError("signed by nobody that the key leads to")
    return "%s is leaf %d of %d" % (what, index, note.size)


def verify_tlog(args):
    note = Note(read(args.directory, "checkpoint"))
    leaves, data, at = [], b"", 0
    for number in range((note.size + TILE - 1) // TILE):
        width = min(TILE, note.size - number * TILE)
        data, at = read(args.directory, tile_name("entries", number, width)), 0
        for _ in range(width):
            length = int.from_bytes(data[at:at + 2], "big")
            leaves.append(sha(b"\0", data[at + 2:at + 2 + length]))
            at += 2 + length
        if at != len(data):
            raise Bad("record.changed", number * TILE, "a bundle has other entries than it should")
    note.verify(args.key)
    check_tree(note, leaves)
    tiles, wrong = check_tiles(args.directory, leaves, True)
    if wrong is not None:
        raise Bad("tile.changed", wrong, "a tile is not that of the entries")
    return "%d entries, %d tiles" % (note.size, tiles)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["log", "proof", "tlog"])
    parser.add_argument("directory")
    parser.add_argument("--checkpoint")
    parser.add_argument("--key")
    args = parser.parse_args()
    if args.what != "log" and not args.key:
        parser.error("--key is needed")
    try:
        print("ok", {"log": verify_log, "proof": verify_proof, "tlog": verify_tlog}[args.what](args))
        return 0
    except Bad as e:
        print("bad", e.index, e.kind, e)
    except (ValueError, KeyError, OSError) as e:
        print("bad 0", e)
    return 1


if __name__ == "__main__":
    sys.exit(main())
