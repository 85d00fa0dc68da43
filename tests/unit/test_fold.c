/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is constant is taken out of memory, and nothing else of a program changes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "datapath/fold.h"

#define CONSTANTS 5 /* a map that has some */
#define OTHERS	  6

#define INSN(...)     ((struct bpf_insn){__VA_ARGS__})
#define MOV(reg, to)  INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (to))
#define COPY(reg, of) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (reg), .src_reg = (of))
#define LOAD(size, to, from, at)                                                                   \
	INSN(.code = BPF_LDX | BPF_MEM | (size), .dst_reg = (to), .src_reg = (from), .off = (at))
#define JUMP(over) INSN(.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 9, .off = (over))
#define NEXT	   INSN(.code = BPF_JMP | BPF_JA)
#define CALL	   INSN(.code = BPF_JMP | BPF_CALL, .imm = 8)
#define EXIT	   INSN(.code = BPF_JMP | BPF_EXIT)
#define WIDE(reg, src, low, high)                                                                  \
	INSN(.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (reg), .src_reg = (src), .imm = (low)), \
		INSN(.imm = (high))
#define ADDRESS(reg, map, at) WIDE(reg, BPF_PSEUDO_MAP_VALUE, map, at)

#define CHECK(expected, ...)                                                                       \
	do {                                                                                       \
		struct bpf_insn program_[] = {__VA_ARGS__};                                        \
		check(program_, sizeof(program_) / sizeof(program_[0]), (expected));               \
	} while (0)
#define BECOMES(...) ((const struct bpf_insn[]){__VA_ARGS__})

static const uint64_t constants[] = {7, 0x1234567890abcdef, 0x80000000};

static int constant(int fd, uint32_t offset, uint32_t size, uint64_t *ret, void *userdata)
{
	(void)userdata;
	if (fd != CONSTANTS || (uint64_t)offset + size > sizeof(constants))
		return -ENOENT;
	*ret = 0;
	memcpy(ret, (const uint8_t *)constants + offset, size);
	return 0;
}

/* @expected: NULL: the program stays as it is. */
static void check(struct bpf_insn *program, size_t count, const struct bpf_insn *expected)
{
	struct bpf_insn before[16];

	assert_true(count <= 16);
	memcpy(before, program, count * sizeof(*program));
	assert_int_equal(fold_loads(program, count, constant, NULL) > 0, expected != NULL);
	assert_memory_equal(program, expected ?: before, count * sizeof(*program));
}

static void a_load_of_a_constant_becomes_the_constant(void **state)
{
	(void)state;
	CHECK(BECOMES(WIDE(1, 0, 7, 0), NEXT, EXIT), ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0),
	      EXIT);
	CHECK(BECOMES(WIDE(1, 0, (int)0x90abcdef, 0x12345678), NEXT, EXIT),
	      ADDRESS(1, CONSTANTS, 4), LOAD(BPF_DW, 1, 1, 4), EXIT);
	CHECK(BECOMES(WIDE(1, 0, (int)0x80000000, 0), NEXT, EXIT), ADDRESS(1, CONSTANTS, 16),
	      LOAD(BPF_W, 1, 1, 0), EXIT);
	CHECK(BECOMES(WIDE(1, 0, 0x1234, 0), NEXT, EXIT), ADDRESS(1, CONSTANTS, 8),
	      LOAD(BPF_H, 1, 1, 6), EXIT);
}

static void an_address_that_is_used_again_stays(void **state)
{
	(void)state;
	CHECK(BECOMES(ADDRESS(1, CONSTANTS, 0), MOV(2, 7), MOV(3, 0x1234), EXIT),
	      ADDRESS(1, CONSTANTS, 0), LOAD(BPF_W, 2, 1, 0), LOAD(BPF_H, 3, 1, 14), EXIT);
	CHECK(BECOMES(ADDRESS(1, CONSTANTS, 0), COPY(4, 1), MOV(1, 7), EXIT),
	      ADDRESS(1, CONSTANTS, 0), COPY(4, 1), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(BECOMES(ADDRESS(1, CONSTANTS, 0), JUMP(0), WIDE(2, 0, 7, 0), NEXT, EXIT),
	      ADDRESS(1, CONSTANTS, 0), JUMP(0), ADDRESS(2, CONSTANTS, 0), LOAD(BPF_B, 2, 2, 0),
	      EXIT);
}

static void what_does_not_fit_an_instruction_is_loaded(void **state)
{
	(void)state;
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_DW, 2, 1, 8), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_W, 2, 1, 16), EXIT);
}

static void what_is_no_constant_is_loaded(void **state)
{
	(void)state;
	CHECK(NULL, ADDRESS(1, OTHERS, 0), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_DW, 1, 1, 20), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, -1), EXIT);
	CHECK(NULL, WIDE(1, BPF_PSEUDO_MAP_FD, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 2, 0), EXIT);
}

static void a_register_that_is_something_else_by_then_is_loaded_from(void **state)
{
	(void)state;
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), COPY(1, 6), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), ADDRESS(1, OTHERS, 0), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), CALL, LOAD(BPF_B, 2, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0),
	      INSN(.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 10, .src_reg = 1,
		   .imm = BPF_XCHG),
	      LOAD(BPF_B, 2, 1, 0), EXIT);
}

static void where_something_else_may_come_from_nothing_is_known(void **state)
{
	(void)state;
	CHECK(NULL, JUMP(2), ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0), JUMP(-2), EXIT);
	CHECK(NULL, INSN(.code = BPF_JMP32 | BPF_JA, .imm = 2), ADDRESS(1, CONSTANTS, 0),
	      LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, INSN(.code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = 2),
	      ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0), EXIT);
	CHECK(NULL, WIDE(2, BPF_PSEUDO_FUNC, 3, 0), ADDRESS(1, CONSTANTS, 0), LOAD(BPF_B, 1, 1, 0),
	      EXIT);
}

static void a_number_in_an_instruction_is_not_taken_for_one(void **state)
{
	const struct bpf_insn address[] = {ADDRESS(1, CONSTANTS, 0)};
	struct bpf_insn program[] = {WIDE(3, 0, 0, 0), LOAD(BPF_B, 1, 1, 0), EXIT};

	(void)state;
	program[1] =
		address[0]; /* as if the second half of the number were the first of an address */
	assert_int_equal(fold_loads(program, 4, constant, NULL), 0);
	assert_int_equal(fold_loads(program, 1, constant, NULL), 0);
	assert_int_equal(fold_loads(program, 0, constant, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_of_a_constant_becomes_the_constant),
		cmocka_unit_test(an_address_that_is_used_again_stays),
		cmocka_unit_test(what_does_not_fit_an_instruction_is_loaded),
		cmocka_unit_test(what_is_no_constant_is_loaded),
		cmocka_unit_test(a_register_that_is_something_else_by_then_is_loaded_from),
		cmocka_unit_test(where_something_else_may_come_from_nothing_is_known),
		cmocka_unit_test(a_number_in_an_instruction_is_not_taken_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
