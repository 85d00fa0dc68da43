/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "frames.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define LINK_BYTES    14
#define HEADERS_BYTES 160 /* what decides stands within them, nearly always */
#define EDITS_MAX     4
#define BENDS_MAX     4
#define EXTENSION_MAX 10 /* of a made-up frame; the parser steps over eight */

/* What bytes in headers are often compared with. */
static const uint8_t edges[] = {0,   1,	  2,   4,   5,	 6,    7,    8,	   17,	 40,   43,   44,
				51,  58,  59,  60,  64,	 0x81, 0x45, 0x46, 0x50, 0x60, 0x86, 0x88,
				127, 128, 133, 135, 136, 139,  140,  0xdd, 0xa8, 253,  254,  255};
static const uint8_t extensions[] = {0, 43, 44, 51, 60, 135, 139, 140};
static const char *const addresses4[] = {NULL, FRAMES_ADDRESSES4};
static const char *const addresses6[] = {NULL, FRAMES_ADDRESSES6};
static const uint16_t ports[] = {0, 1, 52, 53, 54, 80, 443, 7999, 8000, 8100, 8101, 32768, 65535};

/* xorshift64 (Marsaglia 2003): the same everywhere, which a failure's seed needs. */
uint64_t frames_random(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 16) % below;
}

static bool once_in(uint64_t *random, unsigned int times)
{
	return frames_random(random, times) == 0;
}

static int lie(uint64_t *random)
{
	static const int lies[] = {-1, 1, -8, 8, -20, 20, -40, 255, 1400, -1400};

	return once_in(random, 2) ? (int)frames_random(random, 33) - 16
				  : lies[frames_random(random, ARRAY_SIZE(lies))];
}

static unsigned int fragment(uint64_t *random, bool is_ip6)
{
	static const unsigned int fields[] = {1, 8, 0x2000, 0x4000, 0x1fff, 0x3fff, 0xfff8, 0xffff};

	switch (frames_random(random, 4)) {
	case 0:
		return is_ip6 ? FRAGMENT6(0, 1) : FRAGMENT4(0, 1);
	case 1:
		return fields[frames_random(random, ARRAY_SIZE(fields))];
	default:
		return (unsigned int)frames_random(random, 65536);
	}
}

/* The header's bytes without options, which is what .only may be less than. */
static unsigned int base_size(enum packets_kind kind)
{
	switch (kind) {
	case PACKETS_VLAN:
		return 4;
	case PACKETS_IP6:
		return 40;
	case PACKETS_IP4:
	case PACKETS_TCP:
		return 20;
	case PACKETS_EXTENSION:
	case PACKETS_UDP:
	case PACKETS_ICMP:
	case PACKETS_ICMP6:
		return 8;
	default:
		return 0;
	}
}

static void vary_options(uint64_t *random, struct packets_layer *l)
{
	switch (l->kind) {
	case PACKETS_EXTENSION:
		l->size = 8 * (1 + (unsigned int)frames_random(random, 6));
		break;
	case PACKETS_IP4:
	case PACKETS_TCP:
		l->size = 4 * (unsigned int)frames_random(random, 11);
		break;
	case PACKETS_DATA:
	case PACKETS_PADDING:
		l->size = (unsigned int)frames_random(random, once_in(random, 8) ? 1400 : 64);
		break;
	default:
		break;
	}
}

/* Change one member of one layer to something that may or may not make sense. */
static void vary(uint64_t *random, struct packets_layer *l)
{
	bool is_ip6 = l->kind == PACKETS_IP6 || l->kind == PACKETS_EXTENSION;

	switch (frames_random(random, 9)) {
	case 0:
		l->lie = lie(random);
		break;
	case 1:
		l->header_lie = (int)frames_random(random, 16) - 5;
		break;
	case 2:
		l->fragment = fragment(random, is_ip6);
		break;
	case 3:
		l->only = base_size(l->kind) > 1
				  ? 1 + (unsigned int)frames_random(random, base_size(l->kind) - 1)
				  : 0;
		break;
	case 4:
		vary_options(random, l);
		break;
	case 5:
		l->hop_limit =
			once_in(random, 2) ? 255 : 1 + (unsigned int)frames_random(random, 255);
		break;
	case 6:
		l->port = ports[frames_random(random, ARRAY_SIZE(ports))];
		break;
	case 7:
		l->version_lie = once_in(random, 4) ? (int)frames_random(random, 16) - 6 : 0;
		break;
	default:
		if (l->kind == PACKETS_IP4) {
			l->from = addresses4[frames_random(random, ARRAY_SIZE(addresses4))];
			l->to = addresses4[frames_random(random, ARRAY_SIZE(addresses4))];
		} else if (l->kind == PACKETS_IP6) {
			l->from = addresses6[frames_random(random, ARRAY_SIZE(addresses6))];
			l->to = addresses6[frames_random(random, ARRAY_SIZE(addresses6))];
		} else if (l->kind == PACKETS_ICMP6) {
			l->number = 130 + (unsigned int)frames_random(random, 10);
		}
	}
}

static struct packets_layer any_extension(uint64_t *random)
{
	struct packets_layer l = EXTENSION(extensions[frames_random(random, sizeof(extensions))]);

	if (l.number == 44 && once_in(random, 2))
		l.fragment = fragment(random, true);
	else if (l.number != 44 && once_in(random, 4))
		vary_options(random, &l);
	return l;
}

static struct packets_layer any_transport(uint64_t *random)
{
	static const struct packets_layer transports[] = {
		TCP(),
		UDP(),
		ICMP(),
		ICMP6(),
		DATA(12, .number = 132),
		DATA(4, .number = 47),
		DATA(0),
		DATA(30, .number = 50),
	};
	struct packets_layer l = transports[frames_random(random, ARRAY_SIZE(transports))];

	if (once_in(random, 3))
		l.port = ports[frames_random(random, ARRAY_SIZE(ports))];
	return l;
}

static size_t count_layers(const struct packets_layer *layers)
{
	size_t count = 0;

	while (layers[count].kind != PACKETS_END)
		count++;
	return count;
}

static void insert(struct packets_layer *layers, size_t at, struct packets_layer layer)
{
	size_t count = count_layers(layers);

	if (count + 1 >= PACKETS_LAYERS_MAX)
		return;
	memmove(layers + at + 1, layers + at, (count + 1 - at) * sizeof(*layers));
	layers[at] = layer;
}

/* Ethernet in the middle of a packet would be no layer anybody reads: tags go to the front. */
static void insert_any(uint64_t *random, struct packets_layer *layers)
{
	size_t count = count_layers(layers);
	struct packets_layer tag = VLAN(), outer = QINQ(), data = DATA(40);

	switch (frames_random(random, 4)) {
	case 0:
		insert(layers, 0, once_in(random, 2) ? tag : outer);
		break;
	case 1:
		insert(layers, count, once_in(random, 2) ? data : any_transport(random));
		break;
	default:
		for (size_t i = 0; i < count; i++)
			if (layers[i].kind == PACKETS_IP6)
				return insert(layers, i + 1, any_extension(random));
		insert(layers, frames_random(random, count + 1), any_extension(random));
	}
}

static void edit(uint64_t *random, struct packets_layer *layers)
{
	size_t count = count_layers(layers), at = frames_random(random, count);

	switch (frames_random(random, 8)) {
	case 0:
	case 1:
		insert_any(random, layers);
		break;
	case 2:
		if (count > 1)
			memmove(layers + at, layers + at + 1, (count - at) * sizeof(*layers));
		break;
	case 3:
		if (base_size(layers[at].kind))
			insert(layers, at, layers[at]);
		break;
	default:
		vary(random, &layers[at]);
	}
}

static void make_up(uint64_t *random, struct packets_layer *layers)
{
	static const struct packets_layer networks[] = {
		IP4(),
		IP6(),
		IP4(.size = 24),
		IP6(.hop_limit = 255),
		DATA(28, .number = 0x0806),
		DATA(46, .number = 0x88cc),
	};
	struct packets_layer tag = VLAN(), outer = QINQ();
	size_t count = 0;

	if (once_in(random, 3))
		for (uint64_t tags = frames_random(random, 4); tags; tags--)
			layers[count++] = once_in(random, 2) ? tag : outer;
	layers[count] = networks[frames_random(random, once_in(random, 8) ? 6 : 4)];
	if (layers[count].kind == PACKETS_IP4 && once_in(random, 4))
		layers[count].fragment = fragment(random, false);
	if (layers[count++].kind == PACKETS_IP6 && once_in(random, 2))
		for (uint64_t n = frames_random(random, EXTENSION_MAX + 1); n; n--)
			layers[count++] = any_extension(random);
	layers[count++] = any_transport(random);
	layers[count] = (struct packets_layer){.kind = PACKETS_END};
}

size_t frames_bend(uint64_t *random, uint8_t *data, size_t size, size_t max)
{
	size_t most = size < HEADERS_BYTES ? size : HEADERS_BYTES, at;

	if (size <= LINK_BYTES)
		return size;
	at = 12 + frames_random(random, most - 12);
	switch (frames_random(random, 8)) {
	case 0: /* cut */
		return LINK_BYTES + frames_random(random, size - LINK_BYTES);
	case 1: { /* pad */
		size_t more = frames_random(random, 64);

		if (more > max - size)
			more = max - size;
		memset(data + size, 0, more);
		return size + more;
	}
	case 2: /* flip a bit */
		data[at] ^= (uint8_t)(1U << frames_random(random, 8));
		break;
	case 3: /* count up or down */
		data[at] = (uint8_t)(data[at] + (once_in(random, 2) ? 1 : 255));
		break;
	case 4: /* any value */
		data[at] = (uint8_t)frames_random(random, 256);
		break;
	default:
		data[at] = edges[frames_random(random, sizeof(edges))];
	}
	return size;
}

static unsigned int whole_size(const struct packets_layer *l)
{
	if (l->kind == PACKETS_EXTENSION && l->size)
		return l->size;
	return base_size(l->kind) + l->size;
}

/* Edits may have left more of a header than there is, or made the frame too long for the buffer. */
static void fit(struct packets_layer *layers)
{
	size_t total = LINK_BYTES;

	for (struct packets_layer *l = layers; l->kind != PACKETS_END; l++) {
		if (total + whole_size(l) + PACKETS_LAYERS_MAX * 64 > PACKETS_SIZE)
			l->size = 8;
		if (l->only > whole_size(l))
			l->only = 0;
		total += whole_size(l);
	}
}

void frames_generate(uint64_t *random, struct packets_frame *ret)
{
	struct packets_layer layers[PACKETS_LAYERS_MAX];
	uint64_t count;

	if (once_in(random, 2))
		make_up(random, layers);
	else
		memcpy(layers, packets_cases[frames_random(random, packets_case_count)].layers,
		       sizeof(layers));
	for (count = frames_random(random, EDITS_MAX + 1); count; count--)
		edit(random, layers);
	fit(layers);
	packets_build(layers, ret);
	if (once_in(random, 2))
		return;
	for (count = frames_random(random, BENDS_MAX + 1); count; count--)
		ret->length = frames_bend(random, ret->data, ret->length, sizeof(ret->data));
}
