# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/worker/compute.c src/worker/compute.h \
	src/worker/fetch.c src/worker/fetch.h \
	src/worker/greet.c src/worker/greet.h \
	src/worker/thinker.c src/worker/thinker.h \
	src/worker/worker.c src/worker/worker.h
