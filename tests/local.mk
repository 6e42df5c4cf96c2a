# SPDX-License-Identifier: Apache-2.0
# `make check` runs everything in TESTS; each line below that adds a test says
# all there is to know about it.
TEST_EXTENSIONS = .bats .sh
TESTS += $(UNIT_TESTS) $(FUZZERS) $(SYSTEM_TESTS)
check_PROGRAMS += $(UNIT_TESTS) $(FUZZERS)

# A unit test is one source file named like its program.
UNIT_TESTS =
# A fuzz target is tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput; its
# corpus is tests/fuzz/corpus/NAME/.  Without libFuzzer replay.c is its main().
FUZZERS =
# End-to-end tests.  Those tagged "heavy" run in the plain build only.
BATS_TESTS =
SYSTEM_TESTS = $(BATS_TESTS) tests/lint/layers.sh

# base
UNIT_TESTS += tests/unit/test_base tests/unit/test_habit tests/unit/test_json

# nn: graph and execution
UNIT_TESTS += tests/unit/test_graph tests/unit/test_gradients tests/unit/test_net
UNIT_TESTS += tests/unit/test_tuning tests/unit/test_tuning_time \
	tests/unit/test_wino
EXTRA_DIST += tests/unit/net_fixture.h

# nn: optimizers, tensor files, references
UNIT_TESTS += tests/unit/test_optim tests/unit/test_tensors \
	tests/unit/test_layers tests/unit/test_reference
FUZZERS += tests/fuzz/fuzz_tensors
REFERENCE = tests/unit/ref_net.c tests/unit/ref_net.h \
	tests/unit/ref_layers.c tests/unit/ref_layers.h \
	tests/unit/ref_elements.c
tests_unit_test_layers_SOURCES = tests/unit/test_layers.c \
	tests/unit/ref_rig.c tests/unit/ref_rig.h $(REFERENCE)
tests_unit_test_reference_SOURCES = tests/unit/test_reference.c $(REFERENCE)
check_PROGRAMS += tests/torch/dump_step
tests_torch_dump_step_SOURCES = tests/torch/dump_step.c tests/torch/refdata.h
tests_torch_dump_step_LDADD = $(LIBEBSP)
BATS_TESTS += tests/bats/torch.bats
EXTRA_DIST += tests/torch/jobnet.py tests/torch/refdata.py \
	tests/torch/make_reference.py tests/torch/compare.py \
	tests/torch/reference.json

# data
UNIT_TESTS += tests/unit/test_exact tests/unit/test_dataset \
	tests/unit/test_assign tests/unit/test_loader
FUZZERS += tests/fuzz/fuzz_idx tests/fuzz/fuzz_cifar tests/fuzz/fuzz_raw
EXTRA_DIST += tests/fuzz/fuzz_data.h

# wire, io
UNIT_TESTS += tests/unit/test_local tests/unit/test_local_socket \
	tests/unit/test_link
EXTRA_DIST += tests/unit/local_rig.h
UNIT_TESTS += tests/unit/test_wire tests/unit/test_pieces \
	tests/unit/test_child tests/unit/test_conn tests/unit/test_handshake \
	tests/unit/test_tls tests/unit/test_tls_attack tests/unit/test_tls_stream
FUZZERS += tests/fuzz/fuzz_frame tests/fuzz/fuzz_msg tests/fuzz/fuzz_handshake
EXTRA_DIST += tests/unit/bare.h tests/unit/pair.h

# codec
UNIT_TESTS += tests/unit/test_codec tests/unit/test_codec_sparse
EXTRA_DIST += tests/unit/codec_rig.h
FUZZERS += tests/fuzz/fuzz_codec
BATS_TESTS += tests/bats/compress.bats

# launch
UNIT_TESTS += tests/unit/test_hosts tests/unit/test_launch \
	tests/unit/test_blob
FUZZERS += tests/fuzz/fuzz_hosts
BATS_TESTS += tests/bats/ssh.bats

# policy
UNIT_TESTS += tests/unit/test_policies tests/unit/test_policy_host \
	tests/unit/test_policy_act tests/unit/test_policy_clocks \
	tests/unit/test_policy_lib tests/unit/test_policy_watchdog \
	tests/abi/test_layout
tests_abi_test_layout_SOURCES = tests/abi/test_layout.c \
	tests/abi/layout_1_0.c tests/abi/layout_now.c
FUZZERS += tests/fuzz/fuzz_policy_spec tests/fuzz/fuzz_policy_events
BATS_TESTS += tests/bats/policy.bats tests/bats/policy-wild.bats \
	tests/abi/abi.bats
EXTRA_DIST += tests/abi/layout.h tests/abi/layout.inc \
	tests/abi/policy-1.0.h tests/abi/plugin.c
UNIT_TESTS += tests/unit/test_elasticbsp
EXTRA_DIST += tests/unit/plugins.h tests/unit/script.h

# ps, sim, cmd
UNIT_TESTS += tests/unit/test_control
FUZZERS += tests/fuzz/fuzz_control
BATS_TESTS += tests/bats/ctl.bats
UNIT_TESTS += tests/unit/test_servers tests/unit/test_serve
BATS_TESTS += tests/bats/servers.bats
UNIT_TESTS += tests/unit/test_emulation tests/unit/test_worker
UNIT_TESTS += tests/unit/test_job tests/unit/test_store tests/unit/test_sim \
	tests/unit/test_checkpoint tests/unit/test_checkpoint_crash \
	tests/unit/test_keeper
EXTRA_DIST += tests/unit/run_fixture.h
BATS_TESTS += tests/bats/train.bats tests/bats/resume.bats \
	tests/bats/checkpoint.bats tests/bats/supervise.bats \
	tests/bats/failures.bats tests/bats/emulate.bats tests/bats/simulate.bats \
	tests/bats/reality.bats tests/bats/replay.bats
EXTRA_DIST += tests/bats/jobs.bash

# check
UNIT_TESTS += tests/unit/test_check
BATS_TESTS += tests/bats/check.bats

# chaos
UNIT_TESTS += tests/unit/test_chaos
FUZZERS += tests/fuzz/fuzz_script
BATS_TESTS += tests/bats/chaos.bats

# view
UNIT_TESTS += tests/unit/test_view tests/unit/test_http tests/unit/test_top
BATS_TESTS += tests/bats/metrics.bats tests/bats/top.bats

# report
UNIT_TESTS += tests/unit/test_report tests/unit/test_overlap
BATS_TESTS += tests/bats/report.bats

# study
UNIT_TESTS += tests/unit/test_study
BATS_TESTS += tests/bats/bench.bats tests/bats/advise.bats
BATS_TESTS += tests/bats/bench-run.bats

# zipline
UNIT_TESTS += tests/unit/test_zipline
FUZZERS += tests/fuzz/fuzz_pushes
BATS_TESTS += tests/bats/zipline.bats

# build, manual
BATS_TESTS += tests/bats/policy-pages.bats
BATS_TESTS += tests/bats/quickstart.bats tests/bats/manual.bats \
	tests/bats/helpers.bats tests/bats/install.bats

# docs
BATS_TESTS += tests/bats/job-manual.bats tests/bats/run-manual.bats \
	tests/bats/examples.bats
EXTRA_DIST += tests/bats/job-keys

# hostile networks
RELAY = tests/tools/relay_pipe.c tests/tools/relay_pipe.h \
	tests/tools/relay_rule.c tests/tools/relay_rule.h
UNIT_TESTS += tests/unit/test_relay
tests_unit_test_relay_SOURCES = tests/unit/test_relay.c $(RELAY)
check_PROGRAMS += tests/tools/relay tests/tools/ssh-relay \
	tests/tools/strangers
tests_tools_relay_SOURCES = tests/tools/relay.c tests/tools/relay_conn.c \
	tests/tools/relay_conn.h $(RELAY)
tests_tools_relay_LDADD = $(LIBEBSP)
tests_tools_ssh_relay_SOURCES = tests/tools/ssh-relay.c
tests_tools_ssh_relay_LDADD = $(LIBEBSP)
tests_tools_strangers_SOURCES = tests/tools/strangers.c
tests_tools_strangers_LDADD = $(LIBEBSP)
BATS_TESTS += tests/bats/relay.bats tests/bats/strangers.bats \
	tests/bats/netns.bats tests/bats/cuts.bats tests/bats/many.bats
EXTRA_DIST += tests/tools/relay.bash tests/tools/sshd.bash \
	tests/tools/netns.bash

# naps at random; to preload, not a test
EXTRA_PROGRAMS += tests/tools/jitter.so
CLEANFILES += tests/tools/jitter.so
tests_tools_jitter_so_SOURCES = tests/tools/jitter.c
tests_tools_jitter_so_CFLAGS = $(PLUGIN_CFLAGS)
tests_tools_jitter_so_LDFLAGS = $(PLUGIN_LDFLAGS)
tests_tools_jitter_so_LDADD =

# workers that fail or misbehave
UNIT_TESTS += tests/unit/test_guard
check_PROGRAMS += tests/tools/rogue
tests_tools_rogue_SOURCES = tests/tools/rogue.c tests/tools/rogue.h \
	tests/tools/rogue_deeds.c tests/tools/rogue_wire.c \
	tests/tools/rogue_wire.h
tests_tools_rogue_LDADD = $(LIBEBSP)
BATS_TESTS += tests/bats/rogue.bats tests/bats/rogue-silence.bats \
	tests/bats/faults.bats
EXTRA_DIST += tests/tools/rogue.bash

LINT_TESTS = \
	tests/lint/layers.sh tests/lint/text.sh tests/lint/banned.sh \
	tests/lint/headers.sh tests/lint/format.sh tests/lint/shell.sh \
	tests/lint/cppcheck.sh tests/lint/dist.sh tests/lint/selftest.sh
TIDY_TESTS = tests/lint/tidy.sh

EXTRA_DIST += $(BATS_TESTS) $(LINT_TESTS) $(TIDY_TESTS) \
	tests/unit/tap.h tests/fuzz/corpus tests/variant tests/suppressions \
	tests/lint/lint.bash tests/lint/analyzer.h tests/bats/ebsp.bash tests/bats/run-bats

if FUZZING
LDADD = $(FUZZ_ENGINE) $(LIBEBSP)
else
check_LIBRARIES = tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
LDADD = tests/fuzz/libreplay.a $(LIBEBSP)
endif

# How a test is run.  None may hang: a C test is stopped by timeout(1), a BATS
# test by BATS itself.  Tests run beside each other, so OpenMP's threads that
# have nothing to do must not spin.
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
LOG_COMPILER = timeout
AM_LOG_FLAGS = -k 5 $${EBSP_TEST_LIMIT:-300}
BATS_LOG_DRIVER = $(TAP_DRIVER)
BATS_LOG_COMPILER = $(SHELL) $(srcdir)/tests/bats/run-bats
SH_LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_COMPILER = bash
SUPPRESSIONS = $(abs_top_srcdir)/tests/suppressions
AM_TESTS_ENVIRONMENT = \
	EBSP_SRCDIR='$(abs_top_srcdir)' EBSP_BUILDDIR='$(abs_top_builddir)' \
	EBSP='$(abs_top_builddir)/ebsp$(EXEEXT)' CC='$(CC)' \
	EBSP_SHARED="$${EBSP_SHARED:-$(abs_top_srcdir)/../shared}" \
	OMP_WAIT_POLICY="$${OMP_WAIT_POLICY:-passive}" \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_stack_use_after_return=1}" \
	LSAN_OPTIONS="$${LSAN_OPTIONS:-suppressions=$(SUPPRESSIONS)/lsan}" \
	TSAN_OPTIONS="$${TSAN_OPTIONS:-suppressions=$(SUPPRESSIONS)/tsan}" \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}"; \
	export EBSP_SRCDIR EBSP_BUILDDIR EBSP CC EBSP_SHARED OMP_WAIT_POLICY \
	ASAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS;

# Parts of `make check`.
check-unit:
	$(MAKE) check TESTS='$(UNIT_TESTS) $(FUZZERS)' TEST_SUITE_LOG=check-unit.log
check-bats:
	$(MAKE) check TEST_SUITE_LOG=check-bats.log \
		TESTS='$(LONG_TESTS) $(filter-out $(LONG_TESTS),$(BATS_TESTS))'
# What takes long begins first, so that it is not what everybody waits for.
LONG_TESTS = tests/bats/chaos.bats tests/bats/ssh.bats tests/bats/torch.bats \
	tests/bats/job-manual.bats tests/bats/rogue.bats \
	tests/bats/check.bats tests/bats/faults.bats tests/bats/examples.bats \
	tests/bats/cuts.bats tests/bats/strangers.bats \
	tests/bats/rogue-silence.bats
# What compares times, or builds, has the machine for itself.
ALONE_TESTS = tests/bats/reality.bats tests/bats/many.bats \
	tests/bats/quickstart.bats
check-system:
	status=0; \
	$(MAKE) check TESTS='$(LONG_TESTS) $(filter-out \
		$(LONG_TESTS) $(ALONE_TESTS),$(SYSTEM_TESTS))' \
		TEST_SUITE_LOG=check-system.log || status=$$?; \
	$(MAKE) -j1 check TESTS='$(ALONE_TESTS)' \
		TEST_SUITE_LOG=check-alone.log || status=$$?; \
	exit $$status

# Lints look at the source only, so nothing is built for them.
lint:
	rm -f lint.log $(LINT_TESTS:.sh=.log) $(LINT_TESTS:.sh=.trs)
	$(MAKE) TESTS='$(LINT_TESTS)' TEST_SUITE_LOG=lint.log lint.log
lint-tidy:
	rm -f lint-tidy.log $(TIDY_TESTS:.sh=.log) $(TIDY_TESTS:.sh=.trs)
	$(MAKE) TESTS='$(TIDY_TESTS)' TEST_SUITE_LOG=lint-tidy.log lint-tidy.log

# The same tests on other builds, each in a folder below variants/.
VARIANT = +MAKE='$(MAKE)' bash $(srcdir)/tests/variant
check-clang:
	$(VARIANT) clang check-unit CC=clang
check-asan:
	$(VARIANT) asan 'check-unit check-bats' CFLAGS='-O1 -g1' \
		--enable-sanitizers=address,undefined
check-tsan:
	$(VARIANT) tsan check-unit CFLAGS='-O1 -g1' --enable-sanitizers=thread
check-valgrind:
	$(MAKE) check TESTS='$(UNIT_TESTS)' TEST_SUITE_LOG=check-valgrind.log \
		LOG_FLAGS='valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite \
		--suppressions=$(SUPPRESSIONS)/valgrind' \
		EBSP_TEST_LIMIT=1800
# With --enable-fuzzing: every target looks for new inputs for FUZZ_SECONDS.
FUZZ_SECONDS = 60
check-fuzz:
if FUZZING
	$(MAKE) $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
	    name=$${fuzzer##*/fuzz_}; $(MKDIR_P) findings/$$name && \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        -artifact_prefix=findings/$$name- findings/$$name \
	        $(srcdir)/tests/fuzz/corpus/$$name || exit 1; \
	done
else
	$(MAKE) check TESTS='$(FUZZERS)' TEST_SUITE_LOG=check-fuzz.log
endif
# What a release holds, one path per line, for dist.sh.
print-dist:
	@for file in $(DISTFILES); do echo "$${file#$(srcdir)/}"; done
print-prefix:
	@echo '$(prefix)'
.PHONY: check-unit check-bats check-system check-clang check-asan check-tsan \
	check-valgrind check-fuzz lint lint-tidy print-dist print-prefix

CLEANFILES += check-unit.log check-bats.log check-system.log check-alone.log \
	check-valgrind.log check-fuzz.log \
	lint.log lint-tidy.log $(LINT_TESTS:.sh=.log) $(LINT_TESTS:.sh=.trs) \
	$(TIDY_TESTS:.sh=.log) $(TIDY_TESTS:.sh=.trs)
distclean-local:
	rm -rf variants findings
