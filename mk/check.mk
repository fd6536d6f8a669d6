# Rules that a program can check.

C_FILES  := $(sort $(shell find agent bpf include tests bench -name '*.[ch]' -not -path '*/node_modules/*' 2>/dev/null))
SH_FILES := mk/deps.sh .ci/run $(sort $(wildcard tests/*/*.sh tests/*/*/*.sh))

# cppcheck knows no cleanup attributes: leaks are ASan's to find.
CPPCHECK_FLAGS := --suppress=memleak --suppress=resourceLeak --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective \
  --include=tests/check/cppcheck.h

check: $(O)/bpf/oaitap.skel.h
	$(Q)tests/check/includes.py
	$(Q)tests/check/licences.py
	$(call say,FORMAT,clang-format)
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(call say,CHECK,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
	  $(CPPCHECK_FLAGS) -D_GNU_SOURCE -DOAITAP_VERSION='"0"' \
	  -Iagent -I. -I$(O) -j2 agent
	$(call say,CHECK,shellcheck)
	$(Q)shellcheck $(SH_FILES)
	@echo "check: all rules hold"

.PHONY: check
