/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames through the datapath's parser on the host. The frame lies once right before and once right
 * behind a page that nobody may touch, and the rest of its own page is poisoned. The direct way and
 * the thorough way must agree wherever the direct one decides, also if it sees only the frame's
 * first bytes; and what they say must be what a second, plainer reading of the frame says.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include "../lib/host_parse.h"
#include "base/words.h"
#include "frames.h"
#include "fuzz.h"

#define SPLITS 8 /* ways in which each frame is split over two buffers */

static struct {
	uint8_t *memory; /* of room bytes, between two forbidden pages */
	size_t room;
} fence;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map;

	(void)argc;
	(void)argv;
	fence.room = (PACKETS_SIZE + page - 1) / page * page;
	map = mmap(NULL, fence.room + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	REQUIRE(map != MAP_FAILED, "no memory");
	REQUIRE(mprotect(map, page, PROT_NONE) == 0, "no guard page");
	REQUIRE(mprotect(map + page + fence.room, page, PROT_NONE) == 0, "no guard page");
	fence.memory = map + page;
	return 0;
}

/* Lay @size bytes to an end of the fence, so that nothing but them can be read. */
static const uint8_t *fenced(const uint8_t *data, size_t size, bool at_start)
{
	uint8_t *to = at_start ? fence.memory : fence.memory + fence.room - size;

	ASAN_UNPOISON_MEMORY_REGION(fence.memory, fence.room);
	if (size)
		memcpy(to, data, size);
	ASAN_POISON_MEMORY_REGION(fence.memory, fence.room);
	ASAN_UNPOISON_MEMORY_REGION(to, size);
	return to;
}

/* What the program in the kernel does with a frame whose first @linear bytes lie in the first buffer:
 * the direct way there, and the thorough way over all of it where that one has doubts. As there, the
 * second pass finds what the first one left. */
static int parse_as_kernel(const uint8_t *data, size_t size, size_t linear, struct packet *ret)
{
	struct host_frame frame = {.data = data, .length = size};
	struct parse_bytes direct = {.data = data, .end = data + linear, .direct = 1};
	struct parse_bytes thorough = {.frame = &frame};
	struct parse_payload payload = {0};
	bool thoroughly = false;
	int reason;

	*ret = (struct packet){.length = (uint32_t)size};
	reason = parse_network(&direct, &payload, ret);
	if (reason == PARSE_THOROUGHLY || PACKETS_IS_MALFORMED(reason)) {
		thoroughly = true;
		reason = parse_network(&thorough, &payload, ret);
	}
	if (reason != WEIR_NEXT)
		return reason;
	REQUIRE(payload.offset <= size && payload.left <= size - payload.offset,
		"payload at %u, %u bytes, of %zu", payload.offset, payload.left, size);
	if (!thoroughly) {
		REQUIRE(payload.offset <= PARSE_DIRECT_OFFSET_MASK, "transport at %u",
			payload.offset);
		reason = parse_transport(&direct, &payload, ret);
		if (!PACKETS_IS_MALFORMED(reason))
			return reason;
	}
	return parse_transport(&thorough, &payload, ret);
}

/* All of it, whatever the parser fills in: struct packet has no padding. */
static bool same_packet(const struct packet *a, const struct packet *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static unsigned int word(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* The second reading: of frames that were found good, so every header is known to be there. */
struct reading {
	bool is_ip6, is_first_fragment, is_later_fragment;
	uint8_t protocol;
	const uint8_t *source, *destination, *transport;
	const uint8_t *end; /* of the IP packet, as its header says */
};

static void read_ip6(const uint8_t *at, struct reading *ret)
{
	ret->is_ip6 = true;
	ret->protocol = at[6];
	ret->source = at + 8;
	ret->destination = at + 24;
	ret->end = at + 40 + word(at + 4);
	at += 40;
	/* The string's NUL is one of them: hop-by-hop options are protocol 0. */
	while (!ret->is_later_fragment && strchr("\x2b\x2c\x33\x3c\x87\x8b\x8c", ret->protocol)) {
		size_t size = 8 * ((size_t)at[1] + 1);

		if (ret->protocol == 44) {
			size = 8;
			ret->is_later_fragment = word(at + 2) >> 3;
			ret->is_first_fragment |= !ret->is_later_fragment && word(at + 2) & 1;
		} else if (ret->protocol == 51) {
			size = 4 * ((size_t)at[1] + 2);
		}
		ret->protocol = at[0];
		at += size;
	}
	ret->transport = at;
}

static void read_frame(const uint8_t *at, struct reading *ret)
{
	*ret = (struct reading){0};
	for (at += 12; word(at) == 0x8100 || word(at) == 0x88a8; at += 4)
		;
	if (word(at) == 0x86dd)
		return read_ip6(at + 2, ret);
	REQUIRE(word(at) == 0x0800, "ethertype %#x", word(at));
	at += 2;
	ret->is_later_fragment = word(at + 6) & 0x1fff;
	ret->is_first_fragment = !ret->is_later_fragment && word(at + 6) & 0x2000;
	ret->end = at + word(at + 2);
	ret->protocol = at[9];
	ret->source = at + 12;
	ret->destination = at + 16;
	ret->transport = at + 4 * (size_t)(at[0] & 15);
}

static void check_address(const uint8_t is[static 16], const uint8_t *should, bool is_ip6)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (is_ip6)
		REQUIRE(memcmp(is, should, 16) == 0, "an IPv6 address was misread");
	else
		REQUIRE(memcmp(is, mapped, 12) == 0 && memcmp(is + 12, should, 4) == 0,
			"an IPv4 address was misread");
}

/* The transport header of what passed for well-formed really is there. */
static void check_transport(const struct reading *r)
{
	size_t left = (size_t)(r->end - r->transport), needed = 0;

	if (r->is_later_fragment)
		return;
	if (r->protocol == 6) {
		needed = 20;
		if (left >= 20 && r->transport[12] >> 4 > 5)
			needed = 4 * (size_t)(r->transport[12] >> 4);
		REQUIRE(left < 20 || r->transport[12] >> 4 >= 5, "a short TCP header passes");
	} else if (r->protocol == 17) {
		needed = 8;
		if (left >= 8 && !r->is_first_fragment)
			needed = word(r->transport + 4);
		REQUIRE(left < 8 || word(r->transport + 4) >= 8, "a short UDP length passes");
	} else if (r->protocol == 1 && !r->is_ip6) {
		needed = 8;
	} else if (r->protocol == 58 && r->is_ip6) {
		needed = 4;
	}
	REQUIRE(left >= needed, "protocol %u takes %zu bytes and has %zu", r->protocol, needed,
		left);
}

/* Of a frame that the parser has no opinion of. */
static void check_packet(const uint8_t *data, size_t size, const struct packet *p)
{
	bool has_port;
	struct reading r;

	read_frame(data, &r);
	REQUIRE(r.transport <= r.end && r.end <= data + size, "headers exceed the packet");
	check_transport(&r);
	has_port = !r.is_later_fragment && (r.protocol == 6 || r.protocol == 17);
	REQUIRE(!!p->is_ip6 == r.is_ip6, "IP version");
	REQUIRE(p->protocol == r.protocol, "protocol %u, should be %u", p->protocol, r.protocol);
	REQUIRE(!!p->is_later_fragment == r.is_later_fragment, "fragment");
	REQUIRE(!!p->has_port == has_port, "protocol %u", p->protocol);
	if (has_port)
		REQUIRE(p->destination_port == word(r.transport + 2), "port %u, should be %u",
			p->destination_port, word(r.transport + 2));
	check_address(p->source, r.source, r.is_ip6);
	check_address(p->destination, r.destination, r.is_ip6);
}

static void check_reason(int reason, const struct packet *p, size_t size)
{
	if (reason != WEIR_NEXT)
		REQUIRE(reason == WEIR_REASON_NEIGHBOUR || reason == WEIR_REASON_NOT_IP ||
				(PACKETS_IS_MALFORMED(reason) &&
				 reason_exists((unsigned int)reason)),
			"reason %d is none of the parser's", reason);
	REQUIRE(p->length == size, "length %u of %zu", p->length, size);
	REQUIRE(!p->time && !p->time_is_exact && !p->ifindex,
		"the parser wrote what is not its own");
	REQUIRE(!p->has_port || reason == WEIR_NEXT, "a port, and reason %d", reason);
}

static int check_ways(const uint8_t *data, size_t size, struct packet *ret)
{
	int thorough = host_parse_thoroughly(data, size, ret), direct;
	struct packet packet;

	check_reason(thorough, ret, size);
	if (thorough == WEIR_NEXT)
		check_packet(data, size, ret);
	direct = host_parse_directly(data, size, &packet);
	if (direct == PARSE_THOROUGHLY)
		return thorough;
	check_reason(direct, &packet, size);
	REQUIRE(direct == thorough, "directly %d, thoroughly %d", direct, thorough);
	REQUIRE(same_packet(&packet, ret), "the two ways see different packets");
	return thorough;
}

static void check_splits(const uint8_t *data, size_t size, const struct packet *whole, int reason)
{
	uint64_t random = 1 + size;

	for (size_t i = 0; i < size; i++)
		random = (random ^ data[i]) * 0x100000001b3; /* FNV: other frames, other splits */
	random |= 1;
	for (unsigned int i = 0; i < SPLITS && size; i++) {
		size_t most = i % 2 && size > 96 ? 96 : size;
		size_t linear = frames_random(&random, most + 1);
		struct packet packet;
		int got = parse_as_kernel(data, size, linear, &packet);

		REQUIRE(got == reason, "%zu of %zu bytes in the first buffer: reason %d, whole %d",
			linear, size, got, reason);
		REQUIRE(reason != WEIR_NEXT || same_packet(&packet, whole),
			"%zu of %zu bytes in the first buffer: another packet", linear, size);
	}
}

/* What is behind the IP packet changes nothing for a frame that needs it not. */
static void check_padding(const uint8_t *data, size_t size, const struct packet *whole, int reason)
{
	static uint8_t padded[PACKETS_SIZE];
	size_t longer = size + 1 + size % 60;
	struct packet packet;

	if (PACKETS_IS_MALFORMED(reason) || longer > sizeof(padded))
		return;
	memcpy(padded, data, size);
	memset(padded + size, 0xff, longer - size);
	REQUIRE(host_parse_thoroughly(padded, longer, &packet) == reason, "padding counts");
	packet.length = whole->length;
	REQUIRE(same_packet(&packet, whole), "padding is read as packet");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet whole, packet;
	const uint8_t *frame;
	int reason;

	if (size > PACKETS_SIZE)
		return 0;
	frame = fenced(data, size, true);
	reason = check_ways(frame, size, &packet);
	frame = fenced(data, size, false);
	REQUIRE(check_ways(frame, size, &whole) == reason, "it matters where the frame lies");
	check_splits(frame, size, &whole, reason);
	check_padding(data, size, &whole, reason);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	uint64_t random = 0x9e3779b97f4a7c15 ^ seed;
	struct packets_frame frame;

	switch (frames_random(&random, 8)) {
	case 0:
		frames_generate(&random, &frame);
		if (frame.length > max)
			return LLVMFuzzerMutate(data, size, max);
		memcpy(data, frame.data, frame.length);
		return frame.length;
	case 1:
	case 2:
	case 3:
		return frames_bend(&random, data, size, max);
	default:
		return LLVMFuzzerMutate(data, size, max);
	}
}
