# Fuzzers: libFuzzer with ASan and UBSan, by clang. Built apart, since all code must be instrumented.

SECONDS    ?= 20
FUZZ_O     := build-fuzz
FUZZ_SRC   := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ_BIN   := $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_O)/%)
FUZZ_CODE  := $(sort $(wildcard agent/base/*.c agent/http/*.c agent/openai/*.c agent/identity/*.c) agent/probe/elf_symbols.c agent/probe/elf32.c)
FUZZ_FLAGS := -std=gnu17 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(FUZZ_O)/%.o: %.c
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_O)/%_fuzz: tests/fuzz/%_fuzz.c $(FUZZ_CODE:%.c=$(FUZZ_O)/%.o)
	$(call say,FUZZLD,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ -ljansson -lcrypto -lcurl -lnghttp2 -lz -lbrotlidec -lzstd -lpthread

# New inputs go to the build folder, so that the committed corpus stays as it is.
fuzz: $(FUZZ_BIN)
	$(Q)rm -f $(FUZZ_O)/crash-* $(FUZZ_O)/timeout-* $(FUZZ_O)/oom-* $(FUZZ_O)/leak-*
	$(Q)set -e; for f in $(FUZZ_BIN); do \
	  name=$$(basename $$f _fuzz); mkdir -p $(FUZZ_O)/found/$$name; \
	  echo "# $$f, $(SECONDS) s"; \
	  $$f -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=$(FUZZ_O)/ \
	    $(FUZZ_O)/found/$$name $$([ -d tests/fuzz/corpus/$$name ] && echo tests/fuzz/corpus/$$name) \
	    > $(FUZZ_O)/$$name.log 2>&1 || { tail -40 $(FUZZ_O)/$$name.log; \
	      grep -a 'does not hold:' $(FUZZ_O)/$$name.log; for c in $(FUZZ_O)/crash-* $(FUZZ_O)/timeout-* $(FUZZ_O)/oom-* $(FUZZ_O)/leak-*; do \
	      [ ! -s $$c ] || { echo "# $$c, gzip and base64:"; gzip -9c $$c | base64; }; done; exit 1; }; \
	  grep -E 'stat::number_of_executed_units|stat::new_units_added' $(FUZZ_O)/$$name.log; done

-include $(shell [ -d $(FUZZ_O) ] && find $(FUZZ_O) -name '*.d')
.PHONY: fuzz
