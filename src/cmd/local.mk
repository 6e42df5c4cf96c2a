# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/cmd/advise.c src/cmd/advise.h \
	src/cmd/advise_print.c \
	src/cmd/advise_probe.c \
	src/cmd/bench_memory.c src/cmd/bench_memory.h \
	src/cmd/bench_sync.c src/cmd/bench_sync.h \
	src/cmd/bench.c src/cmd/bench.h \
	src/cmd/bench_live.c \
	src/cmd/bench_print.c \
	src/cmd/bench_run.c \
	src/cmd/chaos.c src/cmd/chaos.h src/cmd/chaos_run.c \
	src/cmd/check.c src/cmd/check.h src/cmd/check_impl.h \
	src/cmd/check_drive.c \
	src/cmd/check_json.c \
	src/cmd/check_judge.c \
	src/cmd/check_links.c \
	src/cmd/check_read.c \
	src/cmd/check_report.c \
	src/cmd/check_run.c \
	src/cmd/cluster.c src/cmd/cluster.h \
	src/cmd/cmd.c src/cmd/cmd.h \
	src/cmd/ctl.c src/cmd/ctl.h src/cmd/ctl_status.c \
	src/cmd/eval.c \
	src/cmd/help.c \
	src/cmd/inspect.c \
	src/cmd/model.c src/cmd/model.h \
	src/cmd/overrides.c src/cmd/overrides.h \
	src/cmd/plan.c src/cmd/plan.h \
	src/cmd/policy.c src/cmd/policy.h \
	src/cmd/policy_check.c \
	src/cmd/policy_new.c \
	src/cmd/policy_show.c \
	src/cmd/policy_template.c \
	src/cmd/progress.c src/cmd/progress.h \
	src/cmd/replay.c \
	src/cmd/report.c \
	src/cmd/servers.c src/cmd/servers.h \
	src/cmd/simulate.c src/cmd/simulate.h \
	src/cmd/simulate_run.c \
	src/cmd/emulate.c src/cmd/emulate.h \
	src/cmd/supervise.c src/cmd/supervise.h \
	src/cmd/trace.c \
	src/cmd/top.c src/cmd/top.h \
	src/cmd/top_ask.c \
	src/cmd/top_screen.c \
	src/cmd/top_table.c \
	src/cmd/top_view.c \
	src/cmd/train.c src/cmd/train.h \
	src/cmd/train_run.c \
	src/cmd/train_views.c src/cmd/train_views.h \
	src/cmd/whatif.c src/cmd/whatif.h \
	src/cmd/worker.c \
	src/cmd/workers.c src/cmd/workers.h \
	src/cmd/zipline.c src/cmd/zipline.h \
	src/cmd/zipline_bench.c \
	src/cmd/zipline_csv.c \
	plugins/zipline/baseline.c plugins/zipline/baseline.h \
	plugins/zipline/leap.c plugins/zipline/search.h \
	plugins/zipline/naive.c \
	plugins/zipline/tree.c plugins/zipline/tree.h \
	plugins/zipline/waste.c \
	plugins/zipline/zipline.c plugins/zipline/zipline.h
