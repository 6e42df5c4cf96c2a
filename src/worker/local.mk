# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/worker/compute.c src/worker/compute.h \
	src/worker/emulator.c src/worker/emulator.h \
	src/worker/fetch.c src/worker/fetch.h \
	src/worker/greet.c src/worker/greet.h \
	src/worker/hear.c \
	src/worker/pack.c src/worker/pack.h \
	src/worker/parts.c \
	src/worker/probe.c src/worker/probe.h src/worker/probe_impl.h \
	src/worker/probe_link.c \
	src/worker/probe_machine.c \
	src/worker/probe_speed.c \
	src/worker/retune.c \
	src/worker/say.c \
	src/worker/thinker.c src/worker/thinker.h \
	src/worker/watermark.c src/worker/watermark.h \
	src/worker/worker.c src/worker/worker.h src/worker/worker_impl.h
