#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A verifier of weir's audit log that shares nothing with weir: written from user/audit/README.md, with the
standard library and the openssl program. The tests hold `weir audit verify` against it.

    oracle.py log DIR [--checkpoint FILE] [--key VKEY]     segments, state, chain, tree, tiles, checkpoints
    oracle.py proof FILE --key VKEY                        a proof of inclusion, by itself
    oracle.py tlog DIR --key VKEY                          a directory by C2SP tlog-tiles

The last line is "ok ..." or "bad INDEX WORDS"; the exit status 0 or 1. What heartbeats add up to is not checked.
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

NONE = 2**64 - 1
BLOCK = 4096
TILE = 256
RECORD, COMMIT, END = 1, 2, 3
MEMBERS = ["action", "actor", "details", "event_id", "event_type", "index", "outcome", "previous_hash",
           "resource", "severity", "timestamp"]


class Bad(Exception):
    """What is wrong, and from which record on."""

    def __init__(self, index, words):
        super().__init__(words)
        self.index = index


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


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
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def record_of(data):
    """A record in the one form that it can have."""
    record = json.loads(data.decode("utf-8"), parse_float=no_float, parse_constant=no_float)
    again = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if again.encode() != data or list(record) != MEMBERS or len(data) > 65000 or depth(record) > 9:
        raise ValueError("not canonical")
    if list(record["actor"]) != ["ip_address", "role", "user_id", "username"]:
        raise ValueError("another actor")
    if list(record["resource"]) != ["id", "type"] or not isinstance(record["details"], dict):
        raise ValueError("another resource")
    if record["outcome"] not in ("success", "failure", "denied") or record["severity"] not in range(1, 6):
        raise ValueError("another outcome or severity")
    return record


def event_id(chain, index):
    name = bytearray(sha(chain, struct.pack(">Q", index))[:16])
    name[6] = name[6] & 0x0F | 0x80
    name[8] = name[8] & 0x3F | 0x80
    h = name.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


class Log:
    """Walks the segments in their order."""

    def __init__(self, directory):
        self.directory = directory
        self.leaves = []
        self.next, self.hash, self.seal = 0, bytes(32), None
        self.commits = []  # (segment, offset, next index, hash, seal) of the last ones
        self.header, self.offset, self.size = None, 0, 0
        self.chain = None
        self.rotations = []  # (index, note)

    def tip(self):
        return self.commits[-1] if self.commits else None

    def enter(self, name, last):
        data = read(self.directory, name)
        if len(data) < BLOCK and last:
            return None
        try:
            h = Header(data[:BLOCK])
        except ValueError as e:
            raise Bad(self.next, str(e)) from e
        before = self.header
        if h.first != int(name[:20]):
            raise Bad(self.next, "a segment with the header of another one")
        if before is None:
            if (h.first, h.incarnation, h.previous, h.end, h.tail) != (0, 0, NONE, 0, 0) or any(
                    h.previous_hash + h.tail_hash + h.previous_seal):
                raise Bad(0, "the first segment is missing")
        else:
            self.link(before, h)
        self.header, self.offset, self.size = h, BLOCK, len(data)
        self.seal, self.chain = h.seal, h.chain
        return data

    def link(self, before, h):
        if h.incarnation != before.incarnation:
            raise Bad(self.next, "a violation, which weir itself found")
        rest = read(self.directory, "%020d.seg" % before.first)[h.end:]
        if (h.previous, h.chain, h.first, h.previous_hash, h.previous_seal, h.end) != (
                before.first, before.chain, self.next, self.hash, self.seal, self.offset):
            raise Bad(self.next, "a segment does not continue the one before")
        if len(rest) != h.tail or h.tail_hash != (sha(rest) if rest else bytes(32)):
            raise Bad(self.next, "the end of a segment that was set aside was changed")

    def frame(self, data, at):
        """(type, index, payload, size), or None where the file ends before the frame does."""
        if len(data) - at < 20:
            return None
        length, crc, kind, index = struct.unpack_from("<IIB3xQ", data, at)
        size = (20 + length + 7) // 8 * 8
        if kind not in (RECORD, COMMIT, END) or any(data[at + 9:at + 12]) or length > 65000:
            raise Bad(self.next, "a frame is damaged")
        if kind != RECORD and length != 96 or kind == RECORD and not length:
            raise Bad(self.next, "a frame is damaged")
        if len(data) - at < size:
            return None
        payload = data[at + 20:at + 20 + length]
        if crc != crc32c(data[at:at + 4] + data[at + 8:at + 20 + length]) or any(data[at + 20 + length:at + size]):
            raise Bad(self.next, "a frame is damaged")
        return kind, index, payload, size

    def take_record(self, payload, frame_index, index, previous):
        try:
            record = record_of(payload)
        except (ValueError, KeyError, RecursionError) as e:
            raise Bad(index, "no record: %s" % e) from e
        if (record["index"], frame_index, record["event_id"], record["previous_hash"]) != (
                index, index, event_id(self.chain, index), previous.hex()):
            raise Bad(index, "a record that does not follow the one before")
        if record["event_type"] == "audit.key_rotated":
            self.rotations.append((index, record["details"].get("note")))
        return sha(b"\0", payload)

    def take_seal(self, kind, index, payload, batch):
        first, count = struct.unpack_from("<2Q", payload)
        last = batch[-1] if batch else self.hash
        seal = sha(bytes([kind]), self.seal, payload[:64])
        if (first, count, index, payload[16:48], payload[64:]) != (
                self.next, len(batch), self.next + len(batch), last, seal) or (kind == COMMIT) != bool(batch):
            raise Bad(self.next, "a commit that does not fit its batch")
        self.seal = seal

    def walk(self, data):
        """The batches of a segment. Returns what ended it: "end", or "cut" in the midst of a batch."""
        at, batch, previous, begin = BLOCK, [], self.hash, BLOCK
        while True:
            found = self.frame(data, at)
            if found is None:
                return "cut"
            kind, index, payload, size = found
            at += size
            if kind == RECORD:
                if at - begin > 4 << 20 or len(batch) == 16384:
                    raise Bad(self.next, "a batch is too large")
                previous = self.take_record(payload, index, self.next + len(batch), previous)
                batch.append(previous)
                continue
            self.take_seal(kind, index, payload, batch)
            self.offset = begin = at
            if kind == END:
                if len(data) > at:
                    raise Bad(self.next, "bytes behind the end of a segment")
                return "end"
            self.leaves += batch
            self.next += len(batch)
            self.hash = previous
            self.commits = self.commits[-1:] + [(self.header.first, at, self.next, self.hash, self.seal)]
            batch = []

    def verify(self):
        try:
            slots = state_of(read(self.directory, "state"))
        except (ValueError, OSError) as e:
            slots, wrong = None, e
        names = sorted(n for n in os.listdir(self.directory) if re.fullmatch(r"\d{20}\.seg", n))
        met = slots and slots[0][5] == 0
        for i, name in enumerate(names):
            last = name == names[-1]
            data = self.enter(name, last)
            if data is None:
                break
            if not last:
                try:
                    after = Header(read(self.directory, names[i + 1])[:BLOCK])
                    if after.previous == self.header.first and after.tail:
                        data = data[:after.end]
                except ValueError:
                    pass
            self.walk(data)
        if slots is None:
            raise Bad(self.next, "state: %s" % wrong)
        tips = [c for c in self.commits if c == slots[0][3:]]
        met = met and not self.commits or bool(tips)
        if self.commits and slots[0][1:3] != (self.header.incarnation, self.chain):
            met = False
        if not met:
            raise Bad(min(self.next, slots[0][5]), "the log does not end where the state file says")


def root_of(leaves):
    if not leaves:
        return sha(b"")
    level = leaves
    while len(level) > 1:
        pairs = [sha(b"\1", level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


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
        name, number, encoded = key.split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        if len(raw) != 33 or raw[0] != 1 or sha(name.encode(), b"\n", raw)[:4].hex() != number:
            raise ValueError("no verifier key: " + key)
        mine = [s for n, i, s in self.signatures if (n, i.hex()) == (name, number)]
        if not mine:
            raise ValueError("not signed by " + key)
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
    """Every tile of the tree, against what the leaves make. Full ones may be missing unless @partial."""
    level, hashes, count = 0, leaves, 0
    while hashes:
        for number in range((len(hashes) + TILE - 1) // TILE):
            part = hashes[number * TILE:(number + 1) * TILE]
            path = os.path.join(directory, tile_name(level, number, len(part)))
            if len(part) < TILE and not partial or not partial and not os.path.exists(path):
                continue
            if read(path) != b"".join(part):
                raise Bad(number * TILE ** (level + 1), "tile %s is not that of the records" % path)
            count += 1
        hashes = [root_of(hashes[i:i + TILE]) for i in range(0, len(hashes) // TILE * TILE, TILE)]
        level += 1
    return count


def check_note(note, leaves, keys):
    if not any(signed(note, key) for key in keys):
        raise Bad(0, "the checkpoint is signed by nobody known")
    if note.size > len(leaves):
        raise Bad(len(leaves), "the checkpoint covers %d records, there are %d" % (note.size, len(leaves)))
    if root_of(leaves[:note.size]) != note.root:
        raise Bad(0, "the records are not those that the checkpoint signed")


def signed(note, key):
    try:
        note.verify(key)
        return True
    except ValueError:
        return False


def leads(rotations, key, size):
    """The keys that may have signed a tree of that size, for who trusts key: README.md, "Rotations"."""
    pairs = []
    for index, text in rotations:
        try:
            note = Note(text.encode(), False)
            head, old, new = note.text.decode().splitlines()
        except (ValueError, AttributeError):
            continue
        if head == "weir key rotation" and old.split("+")[0] == new.split("+")[0] and signed(note, old) and \
                signed(note, new):
            pairs.append((index, old, new))
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


def verify_log(args):
    log = Log(args.directory)
    note_path, covered = os.path.join(args.directory, "checkpoint"), "none"
    own = Note(read(note_path)) if os.path.exists(note_path) else None
    log.verify()
    keys = [args.key] if args.key else []
    if not keys and own:
        keys = [line.split()[0] for line in read(args.directory, "keys").decode().splitlines()]
    if own:
        check_note(own, log.leaves, leads(log.rotations, args.key, own.size) if args.key else keys)
        covered = own.size
    if args.key and not own:
        raise Bad(0, "there is no checkpoint that the key could have signed")
    if args.checkpoint:
        given = Note(read(args.checkpoint))
        check_note(given, log.leaves, leads(log.rotations, args.key, given.size) if args.key else keys)
    tiles = check_tiles(args.directory, log.leaves, False)
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
    expired = len(data) == 32
    leaf = data if expired else sha(b"\0", data)
    what = "an expired record" if expired else "record %d" % record_of(data)["index"]
    note = Note(note)
    path = [base64.b64decode(line, validate=True) for line in lines[3:]]
    include(leaf, index, note.size, path, note.root)
    note.verify(args.key)
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
            raise Bad(number * TILE, "a bundle has other entries than it should")
    check_note(note, leaves, [args.key])
    return "%d entries, %d tiles" % (note.size, check_tiles(args.directory, leaves, True))


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
        print("bad", e.index, e)
    except (ValueError, OSError) as e:
        print("bad 0", e)
    return 1


if __name__ == "__main__":
    sys.exit(main())
