# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Everything weir needs to build, run, test and measure itself. `make help` lists the targets;
# V=1 shows the commands. Output goes to build/, the one binary is build/weir.

BUILD := build
# Set by `make ... SAN=1`: address and undefined-behaviour sanitizers, in a tree of their own.
ifdef SAN
BUILD := build/san
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
endif
# Set by `make ... FAULTS=1`: with places where tests make things fail, see user/base/fault_point.h.
ifdef FAULTS
BUILD := build/faults
endif
# Set by `make fuzz`: the same, and libFuzzer's instrumentation, which takes clang.
ifdef FUZZ
BUILD := build/fuzz
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

# Set by `make abi-test`: a weir with an ABI of its own, to upgrade to and from; see tests/abi.
ifdef ABI_TEST
BUILD := build/$(if $(FAULTS),faults-)abi-$(ABI_TEST)
ABI_FLAGS := -DWEIR_ABI_TEST=$(ABI_TEST)
endif

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' "$(1)" "$(2)")

CC := $(if $(FUZZ),clang,gcc)
CLANG := clang
LLVM_STRIP := llvm-strip
BPFTOOL := bpftool
PREFIX ?= /usr/local
DESTDIR ?=

VERSION := 0.1.0
LIBRARIES := libbpf libuv libmicrohttpd jansson yaml-0.1 sqlite3 libcrypto libcurl ncursesw zlib

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wcast-qual -Wno-format-nonliteral -Werror
CPPFLAGS := -D_GNU_SOURCE -DWEIR_VERSION='"$(VERSION)"' $(if $(FAULTS),-DWEIR_FAULTS) -Iinclude -Iuser -I$(BUILD) \
	$(if $(ABI_TEST),$(ABI_FLAGS) -Itests/abi)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(CFLAGS) -fstack-protector-strong $(SANITIZE)
LDLIBS = -lbpf -lelf -luv -lmicrohttpd -ljansson -lyaml -lsqlite3 -lcrypto -lcurl -lncursesw -ltinfo -lz -lm -lpthread
BPF_CFLAGS := -std=gnu17 --target=bpf -mcpu=v3 -g -O2 -fno-strict-aliasing -Wall -Wextra -Wshadow -Werror \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu -Iinclude -Ibpf $(ABI_FLAGS)

# A module is a folder of user/, listed from the highest tier to the lowest. scripts/check.sh holds
# the same order to the #include lines.
MODULES := top cli daemon api report doctor backup engine explain detect ladder events datapath export vault import metrics lists policy risk trace audit otlp store identity base
module_objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard user/$(1)/*.c))
ARCHIVES := $(MODULES:%=$(BUILD)/user/%.a)
TESTLIB := $(BUILD)/tests/lib.a

BPF_OBJECTS := limiter connections watchdog drops sockets listener
TEST_BPF_OBJECTS := counting events flood reference replies steps
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bpf/test_*.c))
# That of an upgrade is one of a weir with an ABI of its own, and upgrades from build/weir.
FAULT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(if $(ABI_TEST),tests/fault/test_upgrade.c, \
	$(filter-out %/test_upgrade.c,$(wildcard tests/fault/test_*.c))))
KERNEL_INIT := $(BUILD)/tests/kernels/init
BENCH_BPF_OBJECTS := variants variants_lru variants_untraced
BENCH_TOOLS := $(addprefix $(BUILD)/tests/bench/,api apply audit audit_search first_packet judge lists testrun)
TOOLS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c)) $(BENCH_TOOLS)
FUZZ_TARGETS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_TOOLS := $(BUILD)/tests/fuzz/parse_kernel $(BUILD)/tests/fuzz/seeds

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all demo run test abi-test test-api test-dashboards test-gap test-kernels test-tamper unit bench fault-tests fuzz fuzz-build fuzz-targets fuzz-tools fmt lint install help clean \
	setup san

all: setup ## build build/weir
	@$(MAKE) --no-print-directory -s $(BUILD)/weir

setup:
	$(Q)scripts/setup.sh

$(BUILD)/weir: $(BUILD)/user/main.o $(ARCHIVES)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

define module_rule
$(BUILD)/user/$(1).a: $(call module_objects,$(1))
	$$(call msg,AR,$$@)
	$$(Q)rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

TESTLIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c,$(wildcard tests/lib/*.c)))

$(TESTLIB): $(TESTLIB_OBJECTS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(BUILD)/%.o: %.c
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# A BPF object is compiled, stripped of DWARF by the static linker, and turned into a skeleton.
$(BUILD)/%.bpf.o: %.bpf.c
	$(call msg,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $(@:.o=.tmp.o)
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.tmp.o)

# The same program with another way to keep state and time, or that cannot be traced: what it includes is found
# there first.
$(BUILD)/tests/bench/variants_%.bpf.o: tests/bench/variants.bpf.c
	$(call msg,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -Itests/bench/$* $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $(@:.o=.tmp.o)
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.tmp.o)

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call msg,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)printf '#pragma GCC system_header\n#include <weir/config.h>\n' > $@
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf >> $@

# The description of the API is written in YAML and served as JSON, each version of it.
OPENAPI := $(BUILD)/api/openapi.h
API_VERSIONS := $(shell sed -n 's/^VERSION.\([A-Z0-9]*\),.*/\1/p' user/api/version.def)
$(BUILD)/scripts/openapi: scripts/openapi.c
	$(call msg,HOSTCC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O1 -o $@ $< -ljansson -lyaml

$(OPENAPI): user/api/openapi.yaml user/api/version.def $(BUILD)/scripts/openapi
	$(call msg,OPENAPI,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/scripts/openapi $< $(API_VERSIONS) > $@

$(BUILD)/user/api/openapi.o: $(OPENAPI)

# Objects that embed a skeleton need it generated first.
$(patsubst %.c,$(BUILD)/%.o,$(wildcard user/datapath/*.c)): $(BPF_OBJECTS:%=$(BUILD)/bpf/%.skel.h)
$(TESTLIB_OBJECTS) $(BPF_TESTS:%=%.o) $(UNIT_TESTS:%=%.o) $(FAULT_TESTS:%=%.o) $(BUILD)/tests/fault/fixture.o $(TOOLS:%=%.o): \
	$(TEST_BPF_OBJECTS:%=$(BUILD)/tests/lib/%.skel.h)
$(TESTLIB_OBJECTS) $(BPF_TESTS:%=%.o): $(BPF_OBJECTS:%=$(BUILD)/bpf/%.skel.h)
$(BUILD)/tests/bench/variant.o: $(BENCH_BPF_OBJECTS:%=$(BUILD)/tests/bench/%.skel.h)

$(TESTLIB_OBJECTS) $(BPF_TESTS:%=%.o) $(UNIT_TESTS:%=%.o) $(BENCH_TOOLS:%=%.o): CPPFLAGS += -Ibpf

# Test programs and tools link every tier; the linker takes what they use.
$(UNIT_TESTS) $(BPF_TESTS) $(FAULT_TESTS) $(TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(TESTLIB) $(ARCHIVES)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LDLIBS)

$(BENCH_TOOLS): $(BUILD)/tests/bench/variant.o
$(FAULT_TESTS): $(BUILD)/tests/fault/fixture.o

# Process 1 of an emulated machine stands alone.
$(KERNEL_INIT): $(KERNEL_INIT).o
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -static -o $@ $^

$(BUILD)/tests/fuzz/%.o: CPPFLAGS += -Ibpf

$(FUZZ_TOOLS): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/frames.o \
		$(TESTLIB) $(ARCHIVES)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# A target takes no kernel: of the API it has the handlers, and a fake of what is below them.
FUZZ_HANDLERS := anchor api audit authorize body connections correlate entry etag explain \
	explain_events fields flags governance history idempotency keys limits lists meter migrate \
	openapi panic policy reply report risk routes rules seal sessions source telemetry tenants usage version \
	versions
FUZZ_API := $(FUZZ_HANDLERS:%=$(BUILD)/user/api/%.o) \
	$(patsubst %,$(BUILD)/tests/fuzz/fake_%.o,datapath engine http keys log)
FUZZ_ARCHIVES := $(BUILD)/tests/fuzz.a $(foreach m,report explain detect ladder metrics backup import lists policy risk trace audit otlp identity base,$(BUILD)/user/$(m).a)
$(BUILD)/tests/fuzz/fuzz_http: $(FUZZ_API)

$(BUILD)/tests/fuzz.a: $(addprefix $(BUILD)/tests/,fuzz/frames.o fuzz/scratch.o lib/packets.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(FUZZ_TARGETS): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_ARCHIVES)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $(filter %.o,$^) $(FUZZ_ARCHIVES) \
		-ljansson -lyaml -lcrypto -lz

demo: all ## the main job in a private lab: needs root, leaves nothing behind
	@$(MAKE) --no-print-directory $(TOOLS)
	$(Q)scripts/demo.sh

run: all ## IFACE=eth0 POLICY=policy.yaml: run the daemon in the foreground
	$(if $(and $(IFACE),$(POLICY)),,$(error usage: make run IFACE=eth0 POLICY=policy.yaml))
	$(Q)$(BUILD)/weir daemon --iface "$(IFACE)" --policy "$(POLICY)" --foreground

test: all ## all tests, on this kernel: needs root
	@$(MAKE) --no-print-directory $(UNIT_TESTS) $(BPF_TESTS) $(TOOLS)
	@$(MAKE) --no-print-directory SAN=1 unit-tests
	@$(MAKE) --no-print-directory FAULTS=1 fault-tests
	@$(MAKE) --no-print-directory FAULTS=1 ABI_TEST=2 fault-tests
	@$(MAKE) --no-print-directory fuzz-build
	@$(MAKE) --no-print-directory abi-test
	$(Q)scripts/test.sh

abi-test: ## what tests/e2e/41-upgrade.sh upgrades to: build/abi-1/weir, build/abi-2/weir
	@$(MAKE) --no-print-directory -s ABI_TEST=1 build/abi-1/weir
	@$(MAKE) --no-print-directory -s ABI_TEST=2 build/abi-2/weir

test-kernels: all ## KERNELS="6.1 6.12" ALL=1: the BPF tests on other kernels, in emulation
	@$(MAKE) --no-print-directory $(BPF_TESTS) $(KERNEL_INIT)
	$(Q)ALL=$(ALL) scripts/kernels.sh $(KERNELS)

test-gap: all ## 200 policies, restarts, kills and upgrades under traffic: what leaked, what was lost
	@$(MAKE) --no-print-directory $(TOOLS) abi-test
	$(Q)GAP_APPLIES=200 GAP_ROLLBACKS=20 GAP_PANICS=20 GAP_RESTARTS=20 GAP_KILLS=20 tests/e2e/90-gap.sh
	$(Q)GAP_KILLS=20 tests/e2e/41-upgrade.sh

test-api: all ## REQUESTS=100000 SEED=1: the API against its description, with sanitizers, and clients that are in the way
	@$(MAKE) --no-print-directory -s SAN=1 build/san/weir
	$(Q)WEIR=$(CURDIR)/build/san/weir REQUESTS=$(or $(REQUESTS),100000) SEED=$(SEED) tests/e2e/89-contract.sh
	$(Q)WEIR=$(CURDIR)/build/san/weir tests/e2e/88-abuse.sh

test-dashboards: all ## the dashboards against a real Prometheus and Grafana's types; pictures in build/dashboards/
	@$(MAKE) --no-print-directory $(BUILD)/tests/tools/flood
	$(Q)DASHBOARDS=full tests/e2e/93-dashboards.sh

test-tamper: all ## LOGS=10000 SEED=1: what is done to audit logs, and what their writers die of, at length
	@$(MAKE) --no-print-directory $(UNIT_TESTS) $(TOOLS)
	$(Q)LOGS="$(LOGS)" SEED="$(SEED)" scripts/tamper.sh

unit-tests: $(UNIT_TESTS)

fault-tests: $(FAULT_TESTS)

fuzz-targets: $(FUZZ_TARGETS)

fuzz-tools: $(FUZZ_TOOLS)

fuzz-build:
	@$(MAKE) --no-print-directory -s fuzz-tools
	@$(MAKE) --no-print-directory -s FUZZ=1 fuzz-targets

fuzz: setup ## SECONDS=60 [TARGET=parse]: run each fuzz target that long
	@$(MAKE) --no-print-directory fuzz-build
	$(Q)scripts/fuzz.sh --seconds $(or $(SECONDS),60) $(TARGET)

unit: setup ## unit tests only, plain and with sanitizers
	@$(MAKE) --no-print-directory unit-tests
	@$(MAKE) --no-print-directory SAN=1 unit-tests
	$(Q)scripts/test.sh unit

bench: ## performance, as JSON lines on stdout and a table on stderr; ONLY=name or group
	@$(MAKE) --no-print-directory all $(TOOLS) >&2
	$(Q)scripts/bench.sh $(ONLY)

fmt: ## format the C sources
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

lint: setup ## tier rule, banned calls, format, shellcheck, cppcheck
	$(Q)scripts/check.sh

# The manual page and what makes shells complete are made by the program, from its tables.
$(BUILD)/weir.8: $(BUILD)/weir
	$(Q)$< help --man > $@

$(BUILD)/weir.bash $(BUILD)/weir.zsh $(BUILD)/weir.fish: $(BUILD)/weir.%: $(BUILD)/weir
	$(Q)$< completion $* > $@

install: $(BUILD)/weir $(addprefix $(BUILD)/weir.,8 bash zsh fish) ## DESTDIR and PREFIX are honoured
	install -D -m 0755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/sbin/weir
	install -D -m 0644 $(BUILD)/weir.8 $(DESTDIR)$(PREFIX)/share/man/man8/weir.8
	install -D -m 0644 $(BUILD)/weir.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	install -D -m 0644 $(BUILD)/weir.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weir
	install -D -m 0644 $(BUILD)/weir.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/weir.fish

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | column -t -s '|'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
