/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An engine in a network namespace, with files and pins of its own, two policies that have hardly anything in
 * common, and packets that tell which of them is in force. Functions end the running test if they fail.
 */
#ifndef TESTS_FAULT_FIXTURE_H
#define TESTS_FAULT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"

/* What each policy makes of packets is checked by whole_policy(): both have nothing in common but what
 * blocks 198.51.100.3. The second takes another program, other tables and another file. */
#define OLD                                                                                        \
	"apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"                         \
	"lists:\n  block: {entries: [198.51.100.3, 198.51.100.1, 192.0.2.0/25]}\n"                 \
	"services: {a: {proto: udp, dst: 203.0.113.1}}\n"                                          \
	"limits:\n"                                                                                \
	"  - {name: all, scope: source, rate: 1/h, burst: 1}\n"                                    \
	"  - {name: a, scope: source, service: a, rate: 1/h, burst: 1}\n"
#define NEW                                                                                         \
	"apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\nstate: {sources: 256k}\n"  \
	"lists:\n  block: {entries: [198.51.100.3, 198.51.100.2, 192.0.2.128/25, '2001:db8::1']}\n" \
	"services:\n"                                                                               \
	"  b: {proto: udp, dst: [203.0.113.2, 203.0.113.64/26]}\n"                                  \
	"  c: {proto: tcp, dport: 9}\n"                                                             \
	"tenants: {t: {src: [100.64.0.0/10]}}\n"                                                    \
	"limits:\n"                                                                                 \
	"  - {name: all, scope: source, rate: 2/h, algorithm: fixed_window}\n"                      \
	"  - {name: b, scope: source, service: b, rate: 2/h, burst: 2}\n"                           \
	"  - {name: some, scope: source, rate: 1/s, rollout: {tenants: [t]}}\n"                     \
	"  - {name: c, scope: source, service: c, open_connections: 5}\n"

struct fixture {
	char directory[64], policy[96], state[96], pins[64];
	const char *new_text; /* NEW, unless a test has another one of the same effect on packets */
	struct engine *engine;
	unsigned int fresh; /* sources that were never used before */
};
extern struct fixture x;

int set_up_files(void **state); /* the policy file has OLD */
int set_up(void **state);	/* and it is in force */
int tear_down(void **state);

int try_to_open(struct fault *f);
void open_engine(void);
void close_engine(void);
int apply(const char *text, uint64_t confirm_ns);

bool file_is(const char *text); /* the policy file */
bool passes(const char *source, const char *destination);
/** Which of the two packets are judged by, wholly: 'o' or 'n'. */
char whole_policy(const char *where);
/** The same, and packets, lists, engine, file and history agree. */
char check_whole(const char *where);

/** In a process of its own, with the engine open: @act, and death at the @at-th place that it passes. Whether it
 * lived to the end. */
bool lives_through(unsigned int at, void (*act)(void));

/** Leave for a namespace of our own. Returns why there can be no tests, or NULL. */
const char *prepare_process(void);
int skip_all(const char *obstacle);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
