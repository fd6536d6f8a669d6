# Measurements, side by side in one run. Nothing fails on a timing. Tables are printed, all numbers are in
# $(O)/bench.json, $(O)/bench-parsers.json and $(O)/bench-identity.json.
#   make bench [ROUNDS=5]      what the probes cost a program, what the agent costs
#   make bench-policy          what the policy stage costs an exchange
#   make bench-connect         what the action `block` costs a connect()
#   make bench-whois           what the attribution of a connection and of an event costs
#   make bench-parsers         our parsers beside others' (bench/peers, from crates.io)
#   make bench-identity        what the caller's identity costs an exchange
#   make bench-redact          the redaction rules over several kinds of text

ROUNDS ?= 5

$(O)/bench/floor.bpf.o: bench/floor.bpf.c vmlinux/$(ARCH)/vmlinux.h
	$(call say,CLANG,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/floor.skel.h: $(O)/bench/floor.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name floor_bpf > $@

$(O)/bench/floor.o: $(O)/bench/floor.skel.h

# The agent's code that places probes, with empty programs in place of the agent's.
$(O)/bench/floor: $(O)/bench/floor.o $(O)/agent/probe.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

bench: $(O)/oaitap $(O)/bench/floor $(E2E_TOOLS)
	$(Q)$(E2E_ENV) ROUNDS=$(ROUNDS) $(O)/venv/bin/python bench/overhead.py

PEERS := $(O)/bench/peers/release/libpeers.a

$(PEERS): $(wildcard bench/peers/Cargo.* bench/peers/src/*)
	$(call say,CARGO,$@)
	$(Q)cargo build --quiet --release --locked --manifest-path bench/peers/Cargo.toml --target-dir $(O)/bench/peers
	$(Q)touch $@

$(O)/bench/parsers: $(O)/bench/parsers.o $(O)/agent/openai.a $(O)/agent/http.a $(O)/agent/base.a $(PEERS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) $(MALLOC) -lm -ldl

bench-parsers: $(O)/bench/parsers
	$(Q)$< $(O)/bench-parsers.json

$(O)/bench/identity: $(O)/bench/identity.o $(O)/agent/identity.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) $(MALLOC)

bench-identity: $(O)/bench/identity
	$(Q)$< $(O)/bench-identity.json

$(O)/bench/redact: $(O)/bench/redact.o $(O)/agent/policy.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) $(MALLOC)

bench-redact: $(O)/bench/redact
	$(Q)$<

# With what clears freed memory, as the agent has it.
$(O)/bench/policy: $(O)/bench/policy.o $(O)/agent/clear.o $(UNIT_policy:%=$(O)/agent/%.a)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) $(MALLOC)

bench-policy: $(O)/bench/policy
	$(Q)$<

$(O)/bench/connect: $(O)/bench/connect.o $(O)/agent/enforce.a $(O)/agent/probe.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

bench-connect: $(O)/bench/connect
	$(Q)$<

$(O)/bench/whois: $(O)/bench/whois.o $(O)/agent/identity.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) $(MALLOC)

bench-whois: $(O)/bench/whois
	$(Q)$<

.PHONY: bench bench-parsers bench-identity bench-whois bench-redact bench-policy bench-connect
