/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Command line of the packet generator (tests/lib/generator.h). Run it inside the client's namespace
 * of a lab. It refuses what it cannot send exactly as asked; it never touches another interface.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "../lib/generator.h"
#include "../lib/netdev.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

#define PORT_DEFAULT	9  /* discard (RFC 863) */
#define PAYLOAD_DEFAULT 18 /* with UDP over IPv4, the shortest Ethernet frame */

struct command {
	struct generator_options options;
	struct flood_source *listed;
	bool has_to, has_base, has_mac, json;
};

static volatile sig_atomic_t stop;

static int refuse(struct fault *reterr, const char *option, const char *value, const char *want)
{
	return fault(reterr, -EINVAL, "flood.option", "--%s: '%s' is not %s", option, value, want);
}

static int set_iface(struct command *c, const char *value, __attribute__((unused)) struct fault *f)
{
	c->options.iface = value;
	return 0;
}

/* ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; more than one colon is an IPv6 address. */
static int set_to(struct command *c, const char *value, struct fault *reterr)
{
	char copy[ADDRESS_TEXT_SIZE + sizeof("[]:65535")] = "", *address = copy, *port = NULL;
	uint32_t number = PORT_DEFAULT;

	if (strlen(value) < sizeof(copy))
		memcpy(copy, value, strlen(value) + 1);
	if (copy[0] == '[') {
		char *end = strchr(copy, ']');

		if (!end || (end[1] != '\0' && end[1] != ':'))
			return refuse(reterr, "to", value, "ADDRESS[:PORT] or [ADDRESS]:PORT");
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
		address = copy + 1;
	} else if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':') + 1;
		port[-1] = '\0';
	}
	if (address_parse(address, c->options.frame.to) < 0 ||
	    (port && parse_u32(port, 0, 65535, &number) < 0))
		return refuse(reterr, "to", value, "ADDRESS[:PORT] or [ADDRESS]:PORT");
	c->options.frame.port = number;
	c->has_to = true;
	return 0;
}

static int set_dst_mac(struct command *c, const char *value, struct fault *reterr)
{
	unsigned int m[6];
	int length = 0;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
		   &length) != 6 ||
	    value[length])
		return refuse(reterr, "dst-mac", value, "an address such as 02:00:00:00:00:0a");
	for (int i = 0; i < 6; i++)
		c->options.frame.destination_mac[i] = m[i];
	c->has_mac = true;
	return 0;
}

static int set_proto(struct command *c, const char *value, struct fault *reterr)
{
	static const char *const names[] = {
		[FRAME_UDP] = "udp", [FRAME_SYN] = "syn", [FRAME_ICMP] = "icmp"};
	static_assert(ARRAY_SIZE(names) == FRAME_PROTOCOL_MAX, "every protocol has a name");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(value, names[i])) {
			c->options.frame.protocol = i;
			return 0;
		}
	}
	return refuse(reterr, "proto", value, "udp, syn or icmp");
}

static int set_sources(struct command *c, const char *value, struct fault *reterr)
{
	if (parse_u32(value, 1, UINT32_MAX, &c->options.sources) < 0)
		return refuse(reterr, "sources", value, "a number from 1 to 4294967295");
	return 0;
}

static int set_base(struct command *c, const char *value, struct fault *reterr)
{
	if (address_parse(value, c->options.base) < 0)
		return refuse(reterr, "base", value, "an address");
	c->has_base = true;
	return 0;
}

static int set_source_prefix(struct command *c, const char *value, struct fault *reterr)
{
	uint32_t bits;

	if (parse_u32(value, 8, 128, &bits) < 0 || (bits > 64 && bits < 96))
		return refuse(reterr, "source-prefix", value, "8 to 64 or 96 to 128 bits");
	c->options.source_bits = bits;
	return 0;
}

/* One line of a file of sources: an address, a comment or nothing. */
static int read_source(struct command *c, char *line, struct fault *reterr)
{
	struct flood_source *s = &c->listed[c->options.sources];
	uint8_t address[16];

	line[strcspn(line, "#\r\n")] = '\0';
	line[strcspn(line, " \t")] = '\0';
	if (!line[0])
		return 0;
	if (address_parse(line, address) < 0)
		return refuse(reterr, "sources-file", line, "an address");
	if (c->options.sources == 0) {
		memcpy(c->options.base, address, 16);
		c->has_base = true;
	}
	if (address_is_ipv4(address) != address_is_ipv4(c->options.base))
		return refuse(reterr, "sources-file", line, "of the same IP version as the first");
	if (c->options.sources == FLOOD_LISTED_MAX)
		return fault(reterr, -E2BIG, "flood.sources", "--sources-file: more than %d",
			     FLOOD_LISTED_MAX);
	memcpy(s->address, address + (address_is_ipv4(address) ? 12 : 0),
	       address_is_ipv4(address) ? 4 : 16);
	c->options.sources++;
	return 0;
}

static int set_sources_file(struct command *c, const char *value, struct fault *reterr)
{
	_cleanup_fclose_ FILE *f = fopen(value, "re");
	char line[256];
	int r = 0;

	free(c->listed);
	c->listed = calloc(FLOOD_LISTED_MAX + 1, sizeof(*c->listed));
	c->options.listed = c->listed;
	c->options.sources = 0;
	if (!f || !c->listed)
		return fault(reterr, -errno, "flood.sources", "--sources-file: %s: %s", value,
			     strerror(errno));
	while (r == 0 && fgets(line, sizeof(line), f))
		r = read_source(c, line, reterr);
	if (r == 0 && c->options.sources == 0)
		return refuse(reterr, "sources-file", value, "a file with addresses");
	return r;
}

static int set_random(struct command *c, __attribute__((unused)) const char *value,
		      __attribute__((unused)) struct fault *f)
{
	c->options.random = true;
	return 0;
}

static int set_round_robin(struct command *c, __attribute__((unused)) const char *value,
			   __attribute__((unused)) struct fault *f)
{
	c->options.random = false;
	return 0;
}

static int set_payload(struct command *c, const char *value, struct fault *reterr)
{
	uint32_t bytes;

	if (parse_u32(value, 0, FRAME_PAYLOAD_MAX, &bytes) < 0)
		return refuse(reterr, "payload", value, "a number of bytes from 0 to 1400");
	c->options.frame.payload = bytes;
	return 0;
}

static int set_vlan(struct command *c, const char *value, struct fault *reterr)
{
	struct frame_spec *frame = &c->options.frame;
	unsigned int id[2] = {};
	int length = 0, n;

	n = sscanf(value, "%4u%n,%4u%n", &id[0], &length, &id[1], &length);
	if (n < 1 || value[length] || id[0] > 4094 || id[1] > 4094)
		return refuse(reterr, "vlan", value, "one or two numbers from 0 to 4094");
	frame->vlan[0] = id[0];
	frame->vlan[1] = id[1];
	frame->vlans = n;
	return 0;
}

static int set_fragment(struct command *c, __attribute__((unused)) const char *value,
			__attribute__((unused)) struct fault *f)
{
	c->options.frame.fragment = true;
	return 0;
}

static int set_rate(struct command *c, const char *value, struct fault *reterr)
{
	if (parse_u32(value, 1, GENERATOR_RATE_MAX, &c->options.rate) < 0)
		return refuse(reterr, "rate", value, "packets per second, 1 to 1000000000");
	return 0;
}

static int set_packets(struct command *c, const char *value, struct fault *reterr)
{
	if (parse_u64(value, 1, GENERATOR_PACKETS_MAX, &c->options.packets) < 0)
		return refuse(reterr, "packets", value, "a number from 1 to 100000000000");
	return 0;
}

static int set_seconds(struct command *c, const char *value, struct fault *reterr)
{
	uint32_t whole;
	unsigned int tenths = 0;
	char digits[16];
	int length = 0;

	if (sscanf(value, "%15[0-9]%n.%1u%n", digits, &length, &tenths, &length) < 1 ||
	    value[length] || parse_u32(digits, 0, 86400, &whole) < 0 || whole + tenths == 0)
		return refuse(reterr, "seconds", value, "a duration from 0.1 to 86400");
	c->options.duration_ns = whole * NSEC_PER_SEC + tenths * (NSEC_PER_SEC / 10);
	return 0;
}

static int set_threads(struct command *c, const char *value, struct fault *reterr)
{
	uint32_t cpus = get_nprocs(), threads;

	if (parse_u32(value, 1, cpus < GENERATOR_THREADS_MAX ? cpus : GENERATOR_THREADS_MAX,
		      &threads) < 0)
		return refuse(reterr, "threads", value, "a number up to that of CPUs");
	c->options.threads = threads;
	return 0;
}

static int set_json(struct command *c, __attribute__((unused)) const char *value,
		    __attribute__((unused)) struct fault *f)
{
	c->json = true;
	return 0;
}

static const struct option_spec {
	const char *name, *argument; /* NULL: takes none */
	int (*set)(struct command *c, const char *value, struct fault *reterr);
	const char *help;
} specs[] = {
	{"iface", "NAME", set_iface, "send out of this interface, one end of a veth pair"},
	{"to", "ADDR[:PORT]", set_to, "destination; [ADDR]:PORT for IPv6; port 9 if not given"},
	{"dst-mac", "MAC", set_dst_mac, "link-layer destination; else from the neighbour table"},
	{"proto", "udp|syn|icmp", set_proto, "UDP (default), TCP SYN or ICMP echo request"},
	{"sources", "N", set_sources, "number of source addresses (default 1)"},
	{"base", "ADDR", set_base, "the first of them; the others follow it"},
	{"source-prefix", "BITS", set_source_prefix,
	 "they follow as prefixes of this length: 64 = one in each IPv6 /64"},
	{"sources-file", "FILE", set_sources_file, "take them from a file, one per line, instead"},
	{"round-robin", NULL, set_round_robin, "use them in turn (default)"},
	{"random", NULL, set_random, "draw one for each packet"},
	{"payload", "BYTES", set_payload, "behind the L4 header, 0 to 1400 (default 18)"},
	{"vlan", "ID[,ID]", set_vlan, "one or two tags, the outer one first"},
	{"fragment", NULL, set_fragment, "send later fragments: no L4 header"},
	{"rate", "PPS", set_rate, "packets per second of all threads (default: flat out)"},
	{"packets", "N", set_packets, "stop after so many have been delivered"},
	{"seconds", "S", set_seconds, "stop after so long (default: at SIGINT or SIGTERM)"},
	{"threads", "N", set_threads, "share the work among so many CPUs (default 1)"},
	{"json", NULL, set_json, "print the result as one JSON object"},
	{"help", NULL, NULL, "print this"},
};

static void help(void)
{
	printf("usage: flood --iface NAME --to ADDR[:PORT] (--base ADDR | --sources-file FILE) ...\n"
	       "Send packets with made-up sources at a rate, or as fast as they go.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		printf("  --%s%s%-*s  %s\n", specs[i].name, specs[i].argument ? " " : "",
		       (int)(27 - strlen(specs[i].name) - !!specs[i].argument),
		       specs[i].argument ?: "", specs[i].help);
}

/* 0; 1 = help was asked for. */
static int parse_options(struct command *c, int argc, char **argv, struct fault *reterr)
{
	struct option options[ARRAY_SIZE(specs) + 1] = {};
	int index, r;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		options[i] = (struct option){.name = specs[i].name,
					     .has_arg = specs[i].argument ? required_argument
									  : no_argument};
	opterr = 0;
	while ((r = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (r == '?')
			return fault(reterr, -EINVAL, "flood.option",
				     "%s: unknown, or its value is missing; see flood --help",
				     argv[optind - 1]);
		if (!specs[index].set)
			return 1;
		r = specs[index].set(c, optarg, reterr);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return fault(reterr, -EINVAL, "flood.option", "'%s' is no option", argv[optind]);
	return 0;
}

/* What the options leave open, and what they contradict. */
static int complete(struct command *c, struct fault *reterr)
{
	struct generator_options *o = &c->options;
	bool ipv4 = address_is_ipv4(o->frame.to);
	uint64_t last;
	int r;

	if (!o->iface || !c->has_to || !c->has_base)
		return fault(reterr, -EINVAL, "flood.option", "%s is missing; see flood --help",
			     !o->iface	  ? "--iface"
			     : !c->has_to ? "--to"
					  : "--base or --sources-file");
	if (address_is_ipv4(o->base) != ipv4)
		return fault(reterr, -EINVAL, "flood.version",
			     "--to and the sources are of different IP versions");
	if (o->packets && o->duration_ns)
		return fault(reterr, -EINVAL, "flood.end", "--packets or --seconds, not both");
	if (!o->source_bits)
		o->source_bits = ipv4 ? 32 : 128;
	if (ipv4 && o->source_bits > 32)
		return fault(reterr, -EINVAL, "flood.prefix", "--source-prefix: IPv4 has 32 bits");
	last = (uint64_t)o->base[12] << 24 | o->base[13] << 16 | o->base[14] << 8 | o->base[15];
	last += ipv4 ? (uint64_t)(o->sources - 1) << (32 - o->source_bits) : 0;
	if (ipv4 && !o->listed && last > UINT32_MAX)
		return fault(reterr, -ERANGE, "flood.sources",
			     "--sources: %u from --base on run past 255.255.255.255", o->sources);

	r = netdev_mac(o->iface, o->frame.source_mac, reterr);
	if (r == 0 && !c->has_mac)
		r = netdev_neighbour(o->iface, o->frame.to, o->frame.destination_mac, reterr);
	return r;
}

static void report(const struct command *c, const struct generator_result *r)
{
	double seconds = (double)(r->last_ns - r->first_ns) / NSEC_PER_SEC;
	double pps = seconds > 0 ? r->sent / seconds : 0;

	if (!c->json) {
		printf("sent %" PRIu64 " packets in %.3f s (%.0f per second), %" PRIu64
		       " more found the peer's ring full\n",
		       r->sent, seconds, pps, r->lost);
		return;
	}
	printf("{\"sent\":%" PRIu64 ",\"seconds\":%.6f,\"pps\":%.0f,\"start_ns\":%" PRIu64
	       ",\"first_ns\":%" PRIu64 ",\"last_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
	       ",\"threads\":%u,\"tx_errors\":%" PRIu64 "}\n",
	       r->sent, seconds, pps, r->start_ns, r->first_ns, r->last_ns, r->end_ns,
	       c->options.threads, r->lost);
}

static void on_stop(__attribute__((unused)) int signal)
{
	stop = 1;
}

static int run(struct command *c, int argc, char **argv, struct fault *reterr)
{
	const struct sigaction action = {.sa_handler = on_stop};
	struct generator_result result;
	int r = parse_options(c, argc, argv, reterr);

	if (r > 0)
		help();
	if (r != 0)
		return r;
	r = complete(c, reterr);
	if (r < 0)
		return r;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = generator_run(&c->options, &result, reterr);
	if (r == 0)
		report(c, &result);
	return r;
}

int main(int argc, char **argv)
{
	struct command c = {
		.options = {.sources = 1,
			    .threads = 1,
			    .frame.payload = PAYLOAD_DEFAULT,
			    .stop = &stop},
	};
	struct fault f = {};
	int r = run(&c, argc, argv, &f);

	free(c.listed);
	if (r < 0)
		fprintf(stderr, "flood: %s\n", f.text);
	return r < 0;
}
