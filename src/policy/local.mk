# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/policy/abi.c src/policy/abi.h \
	src/policy/act.c src/policy/host_impl.h \
	src/policy/clocks.c src/policy/clocks.h \
	src/policy/conform.c src/policy/conform.h \
	src/policy/events.c \
	src/policy/find.c src/policy/find.h \
	src/policy/host.c src/policy/host.h \
	src/policy/lib.c src/policy/lib.h \
	src/policy/schedule.c src/policy/schedule.h \
	src/policy/schedule_drive.c src/policy/schedule_impl.h \
	src/policy/services.c \
	src/policy/spec.c src/policy/spec.h \
	src/policy/table.c src/policy/table.h \
	src/policy/timers.c src/policy/timers.h \
	src/policy/watchdog.c src/policy/watchdog.h
