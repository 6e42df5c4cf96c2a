# SPDX-License-Identifier: Apache-2.0
# A manual page is man/PAGE.SECTION.pod and becomes man/PAGE.SECTION.
MAN_PODS = \
	man/ebsp.1.pod \
	man/ebsp-advise.1.pod \
	man/ebsp-bench.1.pod \
	man/ebsp-check.1.pod \
	man/ebsp-chaos.1.pod \
	man/ebsp-ctl.1.pod \
	man/ebsp-eval.1.pod \
	man/ebsp-inspect.1.pod \
	man/ebsp-job.5.pod \
	man/ebsp-replay.1.pod \
	man/ebsp-report.1.pod \
	man/ebsp-run.5.pod \
	man/ebsp-simulate.1.pod \
	man/ebsp-trace.1.pod \
	man/ebsp-top.1.pod \
	man/ebsp-train.1.pod \
	man/ebsp-zipline.1.pod

# policy
MAN_PODS += man/ebsp-policy.1.pod man/ebsp-policy.3.pod
MAN_PODS += man/ebsp-policy-asp.7.pod man/ebsp-policy-backup.7.pod \
	man/ebsp-policy-bsp.7.pod man/ebsp-policy-dssp.7.pod \
	man/ebsp-policy-elasticbsp.7.pod man/ebsp-policy-kasync.7.pod \
	man/ebsp-policy-ssp.7.pod

# wire, io
MAN_PODS += man/ebsp-protocol.7.pod man/ebsp-security.7.pod

# hosts
MAN_PODS += man/ebsp-hosts.5.pod man/ebsp-worker.1.pod

man_MANS = $(MAN_PODS:.pod=)
EXTRA_DIST += $(MAN_PODS)
CLEANFILES += $(man_MANS)

# The date is that of the text, not of the build: two builds, the same bytes.
MAN_DATE = 2026-11-21
SUFFIXES = .pod
.pod:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && page=$(@F) && \
	$(POD2MAN) --utf8 --errors=die --section="$${page##*.}" \
		--name="$$(echo "$${page%.*}" | tr a-z A-Z)" \
		--release='$(PACKAGE) $(VERSION)' --center='$(PACKAGE) manual' \
		--date='$(MAN_DATE)' $< $@.tmp && mv $@.tmp $@
