/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the policy compiler hands to the datapath. There are two copies of everything here, selected
 * by the lowest bit of the generation: a packet reads the generation once and then sees one policy,
 * never a mixture; a new policy is written to the idle copy and takes effect with one store.
 *
 * Which limits apply to a packet is a matter of a few ANDs, however many limits there are: every
 * limit owns one bit, and each table below answers "which limits accept this port (protocol,
 * destination, source, tenant)" (Lakshman and Stiliadis, "High-speed policy-based packet forwarding",
 * SIGCOMM 98). Bits are in the order in which limits are tried: the narrowest scope first.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/cell.h>
#include <weir/types.h>

#define WEIR_LIMITS_MAX	       64   /* bits of a match mask */
#define WEIR_LIMITS_PER_PACKET 8    /* that may apply to one packet; the compiler refuses more */
#define WEIR_PREFIXES_MAX      1024 /* destination prefixes that one policy names, and source ones */
#define WEIR_TARGETS_MAX       256  /* source prefixes more, which flags were given at run time */
#define WEIR_TENANTS_MAX       1024 /* tenant numbers are 1 to this - 1; 0 = no tenant */
#define WEIR_NAME_BYTES	       32   /* NUL-padded, not necessarily terminated */
#define WEIR_PORTS	       65536
#define WEIR_PROTOCOLS	       256

/* Time in the cells is counted in 1/256 ns, so that a rate of 99,999 or 30,000,000 per second does
 * not drift by rounding. 64 bits of it wrap after 2.3 years of uptime; the daemon clears cells that
 * are idle long before one of them could come round again. */
#define WEIR_TIME_SHIFT 8

/* The kinds of packets that may cost different amounts. The first that fits. */
enum weir_class {
	WEIR_CLASS_OTHER,
	WEIR_CLASS_SYN,	     /* TCP SYN without ACK */
	WEIR_CLASS_DNS,	     /* UDP from or to port 53 */
	WEIR_CLASS_FRAGMENT, /* a later fragment */
	WEIR_CLASS_ICMP,     /* ICMP and ICMPv6 */
	WEIR_CLASS_MAX,
};
#define WEIR_CLASSES 8 /* room in struct weir_limit */

/* Whose cell is charged: the parts of the key, beside the limit itself. None: all packets share one. */
enum weir_key {
	WEIR_KEY_SOURCE = 1 << 0,      /* masked */
	WEIR_KEY_DESTINATION = 1 << 1, /* whole */
	WEIR_KEY_TENANT = 1 << 2,
};

/*
 * One limit. A packet uses up units: one, or what its class costs, plus one per so many bytes; or,
 * where bytes are counted, its length. What the word in the cell means, and the arithmetic, are in
 * bpf/lib/algorithm.h:
 *
 *   bucket   `interval`: time per unit, in 2^-(WEIR_TIME_SHIFT + shift) ns; `burst`: in
 *            2^-WEIR_TIME_SHIFT ns, how far the theoretical arrival time may lie ahead (GCRA, ITU-T
 *            I.371). 0: a leaky bucket, which takes a packet if no other is in it.
 *   fixed    `interval`: length of the window, in 2^-WEIR_TIME_SHIFT ns; `burst`: units of 2^shift
 *   sliding  per window.
 *   quota    `burst`: units of 2^shift per period of the calendar. When that ends is told ahead, by
 *            userspace, which knows the calendar: `interval` and `next`, see WEIR_PERIOD().
 *
 * An adaptive limit is any of these: userspace stores to one word of the live copy (interval of a
 * bucket, burst of a window) while packets flow.
 */
struct weir_limit {
	/* what every packet reads: one cache line */
	__u64 interval;
	__u64 burst;
	__u64 key; /* stands for the limit's meaning: equal meaning, equal key, kept state */
	union {
		__u64 source_mask6; /* of the first half of an IPv6 source, network order */
		__u64 next; /* of a quota, which has no source: the period after `interval` */
	};
	__u32 source_mask4; /* network order */
	__u16 fixed_set;    /* its own cells' first set, if the key has no address; 0 = by hash */
	__u16 fixed_sets;   /* how many: one, or of tenant n the nth */
	__u32 size_step;    /* one more unit per 2^32 / size_step bytes; 0 = size costs nothing */
	__u32 rollout;	    /* applies to sources whose hash is below this; 0 = to all */
	__u8 costs[WEIR_CLASSES];
	__u16 slot;	/* where it is counted; follows {name, unit} from policy to policy */
	__u8 algorithm; /* enum weir_algorithm */
	__u8 unit;	/* enum weir_unit */
	__u8 key_parts; /* enum weir_key */
	__u8 shift;
	__u8 precise; /* burst is shorter than a clock tick: the coarse clock would starve it */
	union {
		__u8 whole_ip6;	  /* the key has all of an IPv6 source, not only the first half */
		__u8 tenant_copy; /* of a quota: of struct weir_tenants */
	};

	/* what few packets read: the other one */
	__u64 coarse_mask6; /* of the source of the cell that newcomers share when the set is full */
	__u32 coarse_mask4;
	union {
		__u32 reject_share; /* answer one refused packet of so many; 0 = none */
		__u32 mss;	    /* of action cookie: to announce over IPv4 */
	};
	__u8 on_full;	    /* enum weir_on_full */
	__u8 action;	    /* enum weir_action */
	__u8 dscp;	    /* of action mark */
	__u8 count_bits;    /* windows: of the word, how many count; see algorithm.h */
	__u8 previous_bits; /* sliding: of those, how many hold the window before */
	__u8 weight_shift;  /* sliding: see algorithm.h for all three */
	__u8 elapsed_shift;
	__u8 previous_shift;
	union {
		__u64 weight;
		__u64 length; /* of a quota's periods after `next`, in 2^-WEIR_TIME_SHIFT ns */
	};
	char name[WEIR_NAME_BYTES]; /* not read by the datapath; a later daemon and bpftool do */
};
WEIR_LAYOUT(struct weir_limit, 128);

enum weir_algorithm {
	WEIR_ALGORITHM_BUCKET,
	WEIR_ALGORITHM_FIXED,
	WEIR_ALGORITHM_SLIDING,
	WEIR_ALGORITHM_OPEN, /* no word: open TCP connections of the source, `burst` at most */
	WEIR_ALGORITHM_QUOTA,
	WEIR_ALGORITHM_MAX,
};

/* A period of the calendar, in one word, so that no packet sees half of it: its end, in
 * 2^-WEIR_TIME_SHIFT ns, whose lowest bits are free, as it is a whole number of ns; in those, its number. */
#define WEIR_PERIOD(end_ns, number) ((__u64)(end_ns) << WEIR_TIME_SHIFT | ((number)&0xff))
#define WEIR_PERIOD_END(period)	    ((period) & ~0xffULL)
#define WEIR_PERIOD_NUMBER(period)  ((__u8)(period))

enum weir_on_full {
	WEIR_ON_FULL_PASS, /* as if the limit did not apply */
	WEIR_ON_FULL_DROP,
	WEIR_ON_FULL_MAX,
};

enum weir_action {
	WEIR_ACTION_DROP,
	WEIR_ACTION_MARK,    /* pass with this DSCP */
	WEIR_ACTION_MONITOR, /* count only */
	WEIR_ACTION_COOKIE,  /* answer the SYN with a cookie, if it can be, or let it pass */
	WEIR_ACTION_MAX,
};

/* The sources that a flag is on for, beside those that it names: those whose hash with the key, which
 * is the flag's, is below this. Of 2^32: the larger share has all sources of the smaller one. */
struct weir_share {
	__u64 key;
	__u64 below;
};
WEIR_LAYOUT(struct weir_share, 16);

enum weir_policy_flag {
	WEIR_POLICY_DROP_MALFORMED = 1 << 0,
	WEIR_POLICY_DROP_NOT_IP = 1 << 1,
	WEIR_POLICY_DROP_FRAGMENTS = 1 << 2, /* later fragments; otherwise fragment_limits decide */
	WEIR_POLICY_BY_DESTINATION = 1 << 3, /* some limit or tenant names destinations */
	WEIR_POLICY_BY_SOURCE = 1 << 4,	     /* some limit or tenant names sources */
	WEIR_POLICY_BY_TENANT = 1 << 5,	     /* look up tenant_limits */
};

struct weir_policy {
	__u32 generation; /* equals the live generation, or this copy is not the live one */
	__u32 mode;	  /* enum weir_mode */
	__u32 flags;	  /* enum weir_policy_flag */
	__u32 limit_count;
	__u64 tick;   /* of the coarse clock, in 2^-WEIR_TIME_SHIFT ns */
	__u64 active; /* limits that their schedule and flag have switched on; changes any time */
	__u64 any_destination;	 /* limits that accept a destination not in the table */
	__u64 any_source;	 /* likewise */
	__u64 connection_limits; /* limits that look at TCP SYN only */
	__u64 shadow_limits;	 /* tried last, refuse nothing, count what they would */
	__u64 cookie_limits;	 /* those of action cookie: tried when all others have room */
	__u64 fragment_limits;	 /* limits on later fragments only */
	__u64 flagged_limits;	 /* a flag says to whom they apply; below */
	__u64 inverted_limits;	 /* of those: to everybody else */
	__u64 timing;		 /* one packet of so many is timed, see weir/timing.h; 0 = none */
	__u64 _pad[3];
	__u64 protocol_limits[WEIR_PROTOCOLS]; /* for what has no ports, or hides them */
	__u64 tenant_limits[WEIR_TENANTS_MAX]; /* limits that accept packets of this tenant */
	struct weir_limit limits[WEIR_LIMITS_MAX];
	struct weir_share shares[WEIR_LIMITS_MAX]; /* of the flags of flagged_limits */
	__u64 tenant_targets[WEIR_TENANTS_MAX];	   /* limits whose flag names this tenant */
};
WEIR_LAYOUT(struct weir_policy,
	    128 + 8 * WEIR_PROTOCOLS + 2 * 8 * WEIR_TENANTS_MAX + (128 + 16) * WEIR_LIMITS_MAX);

/* Limits that accept a destination port. */
struct weir_port_limits {
	__u64 tcp;
	__u64 udp;
};
WEIR_LAYOUT(struct weir_port_limits, 16);

/* Key of the tables of destination and source prefixes, longest-prefix tries that hold both copies. */
struct weir_prefix_key {
	__u32 prefix_bits; /* 32 for the copy + 0..128 of the address */
	__u32 copy;	   /* 0 or 1, network order irrelevant: compared as a whole */
	__u8 address[16];  /* IPv4 as ::ffff:a.b.c.d */
};
WEIR_LAYOUT(struct weir_prefix_key, 24);

struct weir_prefix_value {
	__u64 limits; /* that accept this destination (source) */
	__u32 tenant; /* it belongs to; 0 = none */
	__u32 _pad;
};
WEIR_LAYOUT(struct weir_prefix_value, 16);

struct weir_source_value {
	struct weir_prefix_value value;
	__u64 targeted; /* limits whose flag names this source */
};
WEIR_LAYOUT(struct weir_source_value, 24);

/* Tenants that may have quotas. A quota's cells are by slot, which stays a tenant's when others come and
 * go, and is taken from one that no policy names only when there is no other. */
#define WEIR_TENANT_SLOTS 512
struct weir_tenants {
	__u16 slots[2][WEIR_TENANTS_MAX]; /* by copy and tenant number: 1 to WEIR_TENANT_SLOTS */
	__u64 owners[WEIR_TENANT_SLOTS];  /* of slot n at n - 1: hash of the name; 0 = free */
};
WEIR_LAYOUT(struct weir_tenants, 2 * 2 * WEIR_TENANTS_MAX + 8 * WEIR_TENANT_SLOTS);

/* Two policies' worth, so that a slot leaves the live policy before it is given away again. */
#define WEIR_LIMIT_SLOTS (2 * WEIR_LIMITS_MAX)
_Static_assert(WEIR_CELL_COARSE + WEIR_LIMIT_SLOTS == WEIR_CELL_FIXED, "a word for each slot");

/* What one limit did, per CPU: one cache line. passed: packets that it and every other limit let
 * through; the others: packets that it was the one to refuse, by what became of them. */
struct weir_limit_count {
	__u64 passed;
	__u64 dropped;
	__u64 would_drop; /* shadow, action monitor or mode monitor */
	__u64 marked;
	__u64 replied;
	__u64 coarse; /* packets charged to a cell that several sources share */
	__u64 full;   /* packets for which there was no cell at all: on_full decided */
	__u64 _pad;
};
WEIR_LAYOUT(struct weir_limit_count, 64);

#endif
