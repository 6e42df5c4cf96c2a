# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/chaos/audit.c \
	src/chaos/chaos.c src/chaos/chaos.h src/chaos/impl.h \
	src/chaos/checks.c \
	src/chaos/child.c src/chaos/child.h \
	src/chaos/due.c \
	src/chaos/growth.c src/chaos/growth.h \
	src/chaos/inject.c \
	src/chaos/once.c src/chaos/once.h \
	src/chaos/proc.c src/chaos/proc.h \
	src/chaos/proc_tcp.c \
	src/chaos/report.c \
	src/chaos/scene.c src/chaos/scene.h \
	src/chaos/script.c src/chaos/script.h \
	src/chaos/strike.c src/chaos/strike.h
