# oaitap
# Targets: `make help`. Variables: SANITIZE=1 (ASan, UBSan), V=1 (show commands), O=DIR (where to build), PREFIX, DESTDIR.

O        ?= build$(if $(SANITIZE),-san)
CC       ?= gcc
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool) bpftool)
PREFIX   ?= /usr/local
ARCH     := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86)
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

VERSION  := 0.1.0
WARN     := -Wall -Wextra -Wformat=2 -Wshadow -Werror
PKGS     := libbpf jansson libcyaml yaml-0.1 sqlite3 libcrypto libnghttp2 libpcre2-8 zlib libbrotlidec libzstd libcurl
CPPFLAGS += -D_GNU_SOURCE -DOAITAP_VERSION='"$(VERSION)"' -Iagent -I. -I$(O)
CFLAGS   += -std=gnu17 -g -fno-omit-frame-pointer -fstack-protector-strong $(WARN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# A test that needs no libcurl shall not have the libssl that comes with it: it would be a process that is read.
LDFLAGS  += -Wl,--as-needed
ifdef SANITIZE
CFLAGS   += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=address,undefined
else
CFLAGS   += -O2
CPPFLAGS += -D_FORTIFY_SOURCE=2
# The agent's malloc. What the capture thread allocates the workers free: in glibc both take one lock, and a worker that
# is preempted with it holds up the capture until the ring is full. Here a thread frees for another without a lock.
MALLOC   := -lmimalloc
# And what is freed is cleared (agent/clear.c).
CPPFLAGS += -DOAITAP_CLEAR
endif
LDLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread

# Stages in the order data flows. Each becomes one archive, so that a unit test links only what its stage may use.
STAGES   := base config probe ring stream coverage http openai identity policy enforce event sink ops
STAGE_A  := $(STAGES:%=$(O)/agent/%.a)
objs      = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard $(1))))
MAIN_O   := $(call objs,agent/*.c)

# What each stage's unit tests link, last to first.
UNIT_base     := base
UNIT_config   := config base
UNIT_probe    := probe base
UNIT_ring     := ring base
UNIT_stream   := stream ring base
UNIT_coverage := coverage base
UNIT_http     := http base
UNIT_openai   := openai http base
UNIT_identity := identity base
UNIT_enforce  := enforce base
UNIT_policy   := policy config openai identity http base
UNIT_event    := event policy config openai identity http base
UNIT_sink     := sink event policy config openai identity http base
UNIT_ops      := ops enforce probe sink event policy config openai identity http base

# To make what the decoders are tested with.
UNIT_LIBS_http := -lbrotlienc
# For the server that key sets are fetched from.
UNIT_LIBS_identity := -lssl

UNIT_SRC := $(sort $(wildcard tests/unit/*/*_test.c))
UNIT_BIN := $(UNIT_SRC:%.c=$(O)/%)

all: $(O)/oaitap

$(O)/oaitap: $(MAIN_O) $(STAGE_A)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(MAIN_O) -Wl,--start-group $(STAGE_A) -Wl,--end-group $(LDLIBS) $(MALLOC)

-include mk/*.mk

$(O)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define stage_rule
$(O)/agent/$(1).a: $(call objs,agent/$(1)/*.c)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@; mkdir -p $$(@D); ar rcs $$@ $$^
endef
$(foreach s,$(STAGES),$(eval $(call stage_rule,$(s))))

define unit_rule
$(O)/tests/unit/$(1)/%_test: $(O)/tests/unit/$(1)/%_test.o $(call objs,tests/unit/support/*.c) $(UNIT_$(1):%=$(O)/agent/%.a)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) $$(UNIT_LIBS_$(1)) -lcmocka
endef
$(foreach s,$(STAGES),$(eval $(call unit_rule,$(s))))
$(O)/tests/%.o: CPPFLAGS += -Itests/unit/support

# make unit T=http runs one stage's tests.
unit: $(if $(T),$(filter $(O)/tests/unit/$(T)/%,$(UNIT_BIN)),$(UNIT_BIN))
	$(Q)set -e; for t in $^; do echo "# $$t"; $$t; done

deps:
	$(Q)mk/deps.sh build

deps-test:
	$(Q)mk/deps.sh build test

# What a new machine lacks comes first; the build is a make of its own, since its flags come from those packages.
run: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(O)/oaitap run $(ARGS)

# One after the other, also with -j: some watch the whole host.
test test-full: deps-test
	$(Q)$(MAKE) --no-print-directory unit
	$(Q)$(MAKE) --no-print-directory bpf-test
	$(Q)$(MAKE) --no-print-directory conformance
	$(Q)$(MAKE) --no-print-directory $(if $(filter test-full,$@),e2e-full,e2e)

install: all
	install -D -m 755 $(O)/oaitap $(DESTDIR)$(PREFIX)/sbin/oaitap
	install -D -m 644 docs/oaitap.1 $(DESTDIR)$(PREFIX)/share/man/man1/oaitap.1
	install -D -m 644 docs/oaitap.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/oaitap.yaml.5
	install -D -m 644 docs/event.schema.json $(DESTDIR)$(PREFIX)/share/doc/oaitap/event.schema.json

clean:
	rm -rf build build-san build-fuzz build-cov

help:
	@sed -n 's/^## //p' Makefile

## make run [ARGS=...]      what is missing is installed, the agent is built and started (as root)
## make demo                the same in a sandbox, with a stand-in endpoint and real clients
## make test                all tests, every cell twice; make test-full: 50 times
## make all                 builds build/oaitap
## make unit [T=stage]      unit tests; SANITIZE=1 with ASan and UBSan
## make coverage            what of agent/http, openai, identity and base the unit tests reach
## make conformance         the parsers against public test suites and recorded conversations
## make bpf-test            the BPF programs against a real OpenSSL program (as root)
## make e2e [T=fidelity]    end-to-end tests (as root)
## make test-kernels        a part of the tests on several kernels, emulated ones too (as root)
## make fuzz [SECONDS=20]   each fuzzer for that long
## make check               include order, formatting, cppcheck, shellcheck
## make bench               measurements, side by side; bench-policy: the policy stage alone
## make deps, deps-test     installs what is missing (apt-get)
## make install             PREFIX=/usr/local, DESTDIR
## make vmlinux             regenerates vmlinux/ from the running kernel
## make clean
## SANITIZE=1  V=1  O=DIR

DEPFILES := $(shell [ -d $(O) ] && find $(O) -name '*.d')
-include $(DEPFILES)

.PHONY: all unit deps deps-test run test test-full install clean help
