/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/fold.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"

#define LOAD_ADDRESS (BPF_LD | BPF_IMM | BPF_DW) /* takes two places */

static bool is_jump(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP || BPF_CLASS(i->code) == BPF_JMP32;
}

static void mark(bool *entries, size_t count, int64_t target)
{
	if (target >= 0 && (uint64_t)target < count)
		entries[target] = true;
}

/* Where something else may come from than the instruction before: there nothing is known of registers. */
static void find_entries(const struct bpf_insn *insns, size_t count, bool *ret)
{
	for (size_t i = 0; i < count; i++) {
		const struct bpf_insn *insn = &insns[i];
		int64_t next = (int64_t)i + 1;

		if (insn->code == LOAD_ADDRESS) {
			if (insn->src_reg == BPF_PSEUDO_FUNC)
				mark(ret, count, next + insn->imm);
			i++;
		} else if (insn->code == (BPF_JMP | BPF_CALL)) {
			if (insn->src_reg == BPF_PSEUDO_CALL)
				mark(ret, count, next + insn->imm);
		} else if (insn->code == (BPF_JMP32 | BPF_JA)) {
			mark(ret, count, next + insn->imm);
		} else if (is_jump(insn)) {
			mark(ret, count, next + insn->off);
		}
	}
}

static bool loads_from(const struct bpf_insn *insn, uint8_t address)
{
	return BPF_CLASS(insn->code) == BPF_LDX && BPF_MODE(insn->code) == BPF_MEM &&
	       insn->src_reg == address;
}

static bool changes(const struct bpf_insn *insn, uint8_t reg)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_ST:
		return false;
	case BPF_STX: /* atomics may fetch into a register */
		return BPF_MODE(insn->code) != BPF_MEM;
	case BPF_LD: /* others than this are a call */
		return insn->code != LOAD_ADDRESS || insn->dst_reg == reg;
	default:
		return insn->dst_reg == reg;
	}
}

static uint32_t load_size(const struct bpf_insn *insn)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

/* The load behind the address is of a constant that takes the address's register, and so its two places. */
static void put_wide(struct bpf_insn *address, struct bpf_insn *load, uint64_t value)
{
	address[0].src_reg = 0;
	address[0].imm = (int32_t)(uint32_t)value;
	address[1].imm = (int32_t)(uint32_t)(value >> 32);
	*load = (struct bpf_insn){.code = BPF_JMP |
					  BPF_JA}; /* to the next one: the verifier takes it out */
}

/* @at: where an address is loaded. Its register is followed until there is a way in or out, or it is something else. */
static int fold_from(struct bpf_insn *insns, size_t count, const bool *entries, size_t at,
		     fold_constant_t constant, void *userdata)
{
	const int fd = insns[at].imm;
	const uint32_t base = (uint32_t)insns[at + 1].imm;
	const uint8_t reg = insns[at].dst_reg;
	int folded = 0;

	for (size_t i = at + 2; i < count && !entries[i] && !is_jump(&insns[i]); i++) {
		struct bpf_insn *insn = &insns[i];
		bool ends = changes(insn, reg);
		uint64_t value;

		if (loads_from(insn, reg) && constant(fd, base + (uint32_t)(int32_t)insn->off,
						      load_size(insn), &value, userdata) == 0) {
			if (i == at + 2 && insn->dst_reg == reg) {
				put_wide(&insns[at], insn, value);
				folded++;
			} else if (value <= INT_MAX) {
				*insn = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
							  .dst_reg = insn->dst_reg,
							  .imm = (int32_t)value};
				folded++;
			}
		}
		if (ends)
			break;
		if (insn->code == LOAD_ADDRESS)
			i++;
	}
	return folded;
}

int fold_loads(struct bpf_insn *insns, size_t count, fold_constant_t constant, void *userdata)
{
	_cleanup_free_ bool *entries = calloc(count + 1, sizeof(*entries));
	int folded = 0;

	if (!entries)
		return -ENOMEM;
	find_entries(insns, count, entries);
	for (size_t i = 0; i + 1 < count; i++) {
		if (insns[i].code != LOAD_ADDRESS)
			continue;
		if (insns[i].src_reg == BPF_PSEUDO_MAP_VALUE)
			folded += fold_from(insns, count, entries, i, constant, userdata);
		i++;
	}
	return folded;
}

/* The constants of an object, as they were found last. */
struct constants {
	int fd;
	uint32_t size; /* 0: @fd has none */
	uint8_t *bytes;
};

static void constants_read(struct constants *c, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info), zero = 0;

	free(c->bytes);
	*c = (struct constants){.fd = fd};
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0 || !(info.map_flags & BPF_F_RDONLY_PROG))
		return;
	c->bytes = malloc(info.value_size);
	if (c->bytes && bpf_map_lookup_elem(fd, &zero, c->bytes) == 0)
		c->size = info.value_size;
}

static int read_number(const uint8_t *bytes, uint32_t size, uint64_t *ret)
{
	uint16_t half;
	uint32_t word;

	switch (size) {
	case 1:
		*ret = *bytes;
		return 0;
	case 2:
		memcpy(&half, bytes, size);
		*ret = half;
		return 0;
	case 4:
		memcpy(&word, bytes, size);
		*ret = word;
		return 0;
	default:
		memcpy(ret, bytes, sizeof(*ret));
		return 0;
	}
}

static int constant_of(int fd, uint32_t offset, uint32_t size, uint64_t *ret, void *userdata)
{
	struct constants *c = userdata;

	if (c->fd != fd)
		constants_read(c, fd);
	if (offset > c->size || c->size - offset < size)
		return -ENOENT;
	return read_number(c->bytes + offset, size, ret);
}

/* Without memory for it the program is loaded as it is. */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *options, long cookie)
{
	size_t count = bpf_program__insn_cnt(program);
	_cleanup_free_ struct bpf_insn *insns = calloc(count, sizeof(*insns));
	struct constants constants = {.fd = -1};
	int folded;

	(void)cookie;
	options->prog_flags |= BPF_F_XDP_HAS_FRAGS;
	if (!insns)
		return 0;
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	folded = fold_loads(insns, count, constant_of, &constants);
	free(constants.bytes);
	return folded > 0 ? bpf_program__set_insns(program, insns, count) : 0;
}

static void register_once(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = prepare);

	/* In place of libbpf's own, which does no more than set the flag. It has relocated all by then. */
	libbpf_register_prog_handler("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, &options);
}

void fold_register(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_once);
}
