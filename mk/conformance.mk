# The parsers against cases that nobody here wrote: public test suites, and conversations between other implementations.
#   make conformance      a table of the sources, their versions, cases, and how many passed: docs/conformance.md
# Suites are fetched and conversations recorded once, into $(O)/conformance; versions and checksums are pinned in
# tests/conformance. What cannot be made here is left out: NAME.why says why, and the table shows it. With
# OAITAP_CONFORMANCE_REQUIRED=1 that is a failure.

CONF_SRC   := tests/conformance
CONF_TOOLS := crates kosoku golang
CONF_DATA  := json websocket autobahn h2 recorded
CONF_BIN   := $(O)/$(CONF_SRC)/hpack_stories $(O)/$(CONF_SRC)/json_suite $(O)/$(CONF_SRC)/http2_cases \
  $(O)/tests/unit/http/websocket_cases_test
# The sanitized programs read what the others read.
CONF_O     := $(if $(SANITIZE),$(O:%-san=%),$(O))
CONF       := $(CONF_O)/conformance
CONF_PY     = PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(abspath $(CONF)/kosoku) $(CONF_O)/venv/bin/python

# try(NAME, COMMAND): COMMAND's last words become the reason.
conf_try    = rm -f $(CONF)/$(1).why; ( $(2) ) > $(CONF)/$(1).log 2>&1 || tail -3 $(CONF)/$(1).log > $(CONF)/$(1).why

# What failed is tried again the next time.
conf_made   = [ -e $(@:.made=.why) ] || touch $@

$(CONF)/crates.made: $(wildcard $(CONF_SRC)/crates/Cargo.*)
	$(call say,CARGO,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call conf_try,crates,cargo vendor --locked --manifest-path $(CONF_SRC)/crates/Cargo.toml $(@:.made=))
	$(Q)$(call conf_made)

$(CONF)/kosoku.made: $(CONF_SRC)/requirements.txt $(CONF_O)/venv/made
	$(call say,PIP,$(@:.made=))
	@rm -rf $(@:.made=) && mkdir -p $(@D)
	$(Q)$(call conf_try,kosoku,$(CONF_O)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --only-binary :all: --require-hashes --target $(@:.made=) -r $<)
	$(Q)$(call conf_made)

$(CONF)/golang.made: $(wildcard $(CONF_SRC)/go/*)
	$(call say,GO,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call conf_try,golang,rm -f $(CONF)/peer $(CONF)/h2spec; cd $(CONF_SRC)/go && go build -o $(abspath $(CONF)/peer) . \
	  && go build -o $(abspath $(CONF)/h2spec) github.com/summerwind/h2spec/cmd/h2spec)
	$(Q)$(call conf_made)

$(CONF)/json.made: $(CONF_SRC)/json_cases.py $(CONF)/crates.made $(CONF_O)/venv/made
	$(call say,CASES,$(@:.made=))
	$(Q)$(call conf_try,json,$(CONF_PY) $< $(CONF)/crates/justjson/tests/JSONTestSuite $(CONF)/json.cases \
	  && $(CONF_PY) $< --prefixes $(CONF)/crates/justjson/tests/JSONTestSuite $(CONF)/json-prefixes.cases)
	$(Q)$(call conf_made)

$(CONF)/websocket.made: tests/support/ws_cases.py $(CONF_O)/venv/made
	$(call say,CASES,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call conf_try,websocket,$(CONF_PY) $< $(CONF)/websocket.cases)
	$(Q)$(call conf_made)

$(CONF)/autobahn.made: $(CONF_SRC)/ws_autobahn.py tests/support/ws_cases.py $(CONF)/kosoku.made
	$(call say,CASES,$(@:.made=))
	$(Q)$(call conf_try,autobahn,$(CONF_PY) $< $(CONF)/autobahn.cases)
	$(Q)$(call conf_made)

$(CONF)/h2.made: $(CONF_SRC)/h2_memory.py $(CONF_SRC)/h2_read.py $(CONF_O)/venv/made
	$(call say,CASES,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call conf_try,h2,$(CONF_PY) $< $(CONF)/h2.cases)
	$(Q)$(call conf_made)

$(CONF)/recorded.made: $(CONF_SRC)/h2_record.py $(CONF_SRC)/h2_read.py $(CONF_SRC)/peer.mjs $(CONF)/golang.made $(CONF_O)/venv/made
	$(call say,RECORD,$(@:.made=))
	$(Q)$(call conf_try,recorded,$(CONF_PY) $< $(CONF))
	$(Q)$(call conf_made)

conformance-data: $(CONF_TOOLS:%=$(CONF)/%.made) $(CONF_DATA:%=$(CONF)/%.made)

CONF_LINK = $(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka -lm

$(O)/$(CONF_SRC)/%: $(O)/$(CONF_SRC)/%.o $(call objs,tests/unit/support/*.c) $(O)/agent/openai.a $(O)/agent/http.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(CONF_LINK)

conformance: $(CONF_BIN)
	$(Q)$(MAKE) --no-print-directory SANITIZE= O=$(CONF_O) conformance-data
	$(Q)$(CONF_PY) $(CONF_SRC)/run.py --programs $(O) $(CONF)

.PHONY: conformance conformance-data
