# The only entry point, for people and for CI: `make help` lists the targets.
# A recipe has five lines at most; what needs thought is a Rust test (tests/it/gates).

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Where `make install` puts things, and which binaries it takes.
PREFIX ?= /usr
DESTDIR ?=
BIN_DIR ?= target/release
# What is fuzzed, and how long each.
FUZZ_TARGETS ?= frame xml device_id scenario sdp digest sip_message sip_stream rtp srtp rtcp sound
FUZZ_SECONDS ?= 60
# More arguments for what is run: make demo ARGS='--for 30s'
ARGS ?=

# Test data that lies beside the checkout is used; where there is none, the tests that need it are
# ignored.
RINGWAY_TESTDATA ?= $(if $(wildcard ../shared/csta),$(abspath ../shared))
ifneq ($(RINGWAY_TESTDATA),)
export RINGWAY_TESTDATA
else
unexport RINGWAY_TESTDATA
endif

# CI takes Cargo.lock as it is, and its test profile never tries twice.
LOCKED := $(if $(CI),--locked)
NEXTEST_PROFILE := $(if $(CI),ci,default)
TEST_RUN := $(if $(shell command -v cargo-nextest),nextest run --profile $(NEXTEST_PROFILE),test)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Simulated PBX, gateway and far end in one process, with calls
	cargo run --quiet -p gateway --bin ringway -- demo $(ARGS)

.PHONY: test
test: ## Every test that ends within minutes
	cargo test --workspace $(LOCKED) --doc --quiet
	cargo $(TEST_RUN) --workspace $(LOCKED) $(ARGS)

.PHONY: check
check: format lint doc gates config-check unit-check ## Format, lints, docs, gates, configuration files, units

.PHONY: format
format: ## Is everything formatted (`cargo fmt` does it)
	cargo fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	cargo clippy --workspace $(LOCKED) --all-targets -- -D warnings

.PHONY: doc
doc: ## Documentation of everything, private items too, warnings are errors
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace $(LOCKED) --no-deps --document-private-items

.PHONY: gates
gates: ## The rules of the workspace: arch, tidy and contracts
	cargo $(TEST_RUN) --workspace $(LOCKED) gates::

.PHONY: arch
arch: ## Who may depend on whom
	cargo $(TEST_RUN) --workspace $(LOCKED) gates::arch

.PHONY: tidy
tidy: ## Layout, sizes of files, words that have no place here
	cargo $(TEST_RUN) --workspace $(LOCKED) gates::tidy

.PHONY: config-check
config-check: ## Each example configuration, by the binary that reads it
	cargo run --quiet $(LOCKED) -p gateway --bin ringway -- check-config --without-files config/ringway.toml
	cargo run --quiet $(LOCKED) -p cloud --bin ringway-cloud -- check-config config/ringway-cloud.toml

.PHONY: unit-check
unit-check: ## The systemd units: valid, and no more exposed than allowed
	systemd/check-units.sh

.PHONY: deny
deny: ## Licences, bans and sources of what Cargo.lock names (needs cargo-deny)
	cargo deny --locked check --hide-inclusion-graph bans licenses sources

.PHONY: none-ignored
none-ignored: ## Fails if a test would be ignored (needs cargo-nextest)
	@ignored=$$(cargo nextest list --workspace $(LOCKED) --run-ignored only --message-format oneline) \
	  && if [ -n "$$ignored" ]; then echo "ignored tests:"; echo "$$ignored"; exit 1; fi

.PHONY: schemas
schemas: ## Write the channel's schemas and AsyncAPI under docs/ anew from the types
	UPDATE_SCHEMAS=1 cargo test --quiet -p cloud-uplink --test it documents

.PHONY: bench
bench: build ## Measure latency, throughput and memory against their goals
	cargo run --release -p system-tests --bin ringway-bench -- $(ARGS)

.PHONY: crash-test
crash-test: build ## Kill gateway and far end at random moments and count what is lost
	cargo run --release -p system-tests --bin ringway-crash-test -- $(ARGS)

.PHONY: model-test
model-test: ## A million random steps of users, commands and bad luck, in virtual time
	cargo run --release -p system-tests --bin ringway-model-test -- $(ARGS)

.PHONY: torture
torture: build ## Each message of RFC 4475 and RFC 5118 at a running gateway (needs RINGWAY_TESTDATA)
	cargo run --release -p system-tests --bin ringway-interop -- torture \
	  --data '$(or $(RINGWAY_TESTDATA),$(error RINGWAY_TESTDATA is missing))'

.PHONY: interop
interop: build ## SIPp, baresip, Kamailio and SIPVicious against a running gateway (needs these four)
	cargo run --release -p system-tests --bin ringway-interop -- interop $(ARGS)

# The binaries that the tests were built with, so that nothing is built twice.
.PHONY: interop-ci
interop-ci: ## Interop, and torture where there is test data, with what `make test` has built
	cargo build --quiet --workspace $(LOCKED) --bins
	$${CARGO_TARGET_DIR:-target}/debug/ringway-interop interop
	$(if $(RINGWAY_TESTDATA),$${CARGO_TARGET_DIR:-target}/debug/ringway-interop torture --data '$(RINGWAY_TESTDATA)')

.PHONY: sip-soak
sip-soak: build ## A million calls through the gateway: ARGS='--calls 100000 --rate 500 --transport udp' (needs SIPp)
	cargo run --release -p system-tests --bin ringway-interop -- soak $(ARGS)

.PHONY: sip-registrations
sip-registrations: build ## 5,000 users registering at the simulator and at Kamailio (needs Kamailio)
	cargo run --release -p system-tests --bin ringway-interop -- registrations $(ARGS)

.PHONY: sip-flood
sip-flood: build ## 5,000 junk INVITEs a second beside calls, then peers that never end (needs SIPp, SIPVicious)
	cargo run --release -p system-tests --bin ringway-interop -- flood

.PHONY: bench-sip
bench-sip: build ## Processor time of a call, beside Kamailio (needs SIPp, Kamailio, RINGWAY_TESTDATA)
	cargo run --release -p system-tests --bin ringway-interop -- bench \
	  --data '$(or $(RINGWAY_TESTDATA),$(error RINGWAY_TESTDATA is missing))' $(ARGS)

.PHONY: bench-media
bench-media: ## Relayed packets, SRTP and codecs beside rtpengine (needs cc, libsrtp2-dev, rtpengine, RINGWAY_TESTDATA)
	cargo run --release -p net --example bench-media -- \
	  $(if $(RINGWAY_TESTDATA),--tools '$(RINGWAY_TESTDATA)/tools') $(ARGS)

.PHONY: csta-instances
csta-instances: ## Samples of every CSTA message, one file each: make csta-instances OUT=folder
	cargo run --quiet $(LOCKED) -p csta --example instances -- '$(or $(OUT),$(error OUT=folder is missing))'

# A stable compiler does: RUSTC_BOOTSTRAP lets it take the unstable options of the coverage that guides
# the fuzzer, and no sanitizer is built, as nothing here is unsafe. `cargo install cargo-fuzz` brings the tool.
.PHONY: fuzz
fuzz: ## Fuzz each target of FUZZ_TARGETS for FUZZ_SECONDS (needs cargo-fuzz)
	for target in $(FUZZ_TARGETS); do (cd tests && RUSTC_BOOTSTRAP=1 cargo fuzz run \
	  --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=70000) || exit 1; done

.PHONY: sip-oracles
sip-oracles: ## Our SIP messages beside the parsers of others (a workspace of its own)
	cargo run --release --quiet --manifest-path tests/oracles/Cargo.toml --bin sip-oracles

.PHONY: media-oracles
media-oracles: ## Our RTP, RTCP and SRTP beside those of webrtc-rs (a workspace of its own)
	cargo run --release --quiet --manifest-path tests/oracles/Cargo.toml --bin media-oracles

.PHONY: build
build: ## The release binaries
	cargo build --release $(LOCKED) -p gateway -p cloud -p pbx-sim --bins

.PHONY: install
install: ## Put gateway and unit onto this machine (after build; DESTDIR, PREFIX)
	systemd/install.sh ringway '$(BIN_DIR)' '$(DESTDIR)' '$(PREFIX)'

.PHONY: install-cloud
install-cloud: ## Put the far end and its unit onto this machine (after build; DESTDIR, PREFIX)
	systemd/install.sh ringway-cloud '$(BIN_DIR)' '$(DESTDIR)' '$(PREFIX)'

.PHONY: certs
certs: ## A test CA and a server certificate under certs/
	certs/make-test-certs.sh

.PHONY: box-test
box-test: build ## Install into a booted Debian and try the service there (root, mmdebstrap, systemd-nspawn)
	tests/box/box-test.sh '$(BIN_DIR)'

.PHONY: browser-test
browser-test: ## The portal in a real browser, pictures in SCREENSHOTS=folder (needs Node 20, npm, Chromium)
	cargo build $(LOCKED) -p gateway -p cloud -p pbx-sim --bins
	cd tests/browser && npm ci --silent && node --test --test-reporter=spec portal.test.mjs

.PHONY: nightly
nightly: bench crash-test model-test fuzz box-test browser-test interop-ci sip-soak sip-registrations sip-flood ## What takes too long for each change

.PHONY: ci
ci: check deny none-ignored test ## What every change must pass
