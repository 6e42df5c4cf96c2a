# SPDX-License-Identifier: Apache-2.0
TEST_EXTENSIONS = .bats .sh
TESTS += $(UNIT_TESTS)
check_PROGRAMS += $(UNIT_TESTS)
LDADD = $(LIBEBSP)
EXTRA_DIST += tests/unit/tap.h

# A unit test is one source file named like its program.
UNIT_TESTS =

# base
UNIT_TESTS += tests/unit/test_base tests/unit/test_json

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
BATS_LOG_DRIVER = $(LOG_DRIVER)
BATS_LOG_COMPILER = $(SHELL) $(srcdir)/tests/bats/run-bats
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = \
	EBSP_SRCDIR='$(abs_top_srcdir)' EBSP_BUILDDIR='$(abs_top_builddir)' \
	EBSP='$(abs_top_builddir)/ebsp$(EXEEXT)' CC='$(CC)' \
	EBSP_SHARED="$${EBSP_SHARED:-$(abs_top_srcdir)/../shared}"; \
	export EBSP_SRCDIR EBSP_BUILDDIR EBSP CC EBSP_SHARED;
