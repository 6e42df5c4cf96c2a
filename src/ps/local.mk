# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/ps/checkpoint.c src/ps/checkpoint.h src/ps/checkpoint_impl.h \
	src/ps/checkpoint_read.c \
	src/ps/control.c src/ps/control.h src/ps/control_read.c \
	src/ps/control_status.c \
	src/ps/demand.c \
	src/ps/driver.c \
	src/ps/emulate.c \
	src/ps/ending.c \
	src/ps/feeder.c src/ps/feeder.h \
	src/ps/fleet.c src/ps/fleet.h src/ps/fleet_impl.h \
	src/ps/fleet_hear.c \
	src/ps/guard.c src/ps/guard.h \
	src/ps/keeper.c src/ps/keeper.h \
	src/ps/ledger.c src/ps/ledger.h \
	src/ps/manifest.c src/ps/manifest.h \
	src/ps/saving.c \
	src/ps/members.c \
	src/ps/server.c src/ps/server.h src/ps/server_impl.h \
	src/ps/served.c \
	src/ps/session.c \
	src/ps/store.c src/ps/store_commit.c src/ps/store_impl.h \
	src/ps/store.h \
	src/ps/summary.c \
	src/ps/training.c \
	src/ps/transfer.c \
	src/ps/verdict.c \
	src/ps/watch.c \
	src/ps/watcher.c src/ps/watcher.h
