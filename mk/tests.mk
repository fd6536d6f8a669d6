# The BPF programs against a small OpenSSL program.

$(O)/tests/bpf/ssl_calls: tests/bpf/ssl_calls.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -g -O1 $(WARN) -o $@ $< -lssl -lcrypto

$(O)/tests/bpf/records_test: $(O)/tests/bpf/records_test.o $(call objs,tests/unit/support/*.c) $(O)/agent/probe.a $(O)/agent/ring.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

$(O)/tests/bpf/%.skel.h: $(O)/tests/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(O)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c vmlinux/$(ARCH)/vmlinux.h
	$(call say,CLANG,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c -o $@ $<

$(O)/tests/bpf/block_test.o: $(O)/tests/bpf/starts.skel.h
$(O)/tests/bpf/block_test: $(O)/tests/bpf/block_test.o $(call objs,tests/unit/support/*.c) $(O)/agent/enforce.a $(O)/agent/probe.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

bpf-test: $(O)/tests/bpf/records_test $(O)/tests/bpf/ssl_calls $(O)/tests/bpf/block_test
	$(Q)$< $(O)/tests/bpf/ssl_calls
	$(Q)$(O)/tests/bpf/block_test

.PHONY: bpf-test
