# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/job/emulation.c src/job/emulation.h \
	src/job/evaluate.c src/job/evaluate.h \
	src/job/events.c src/job/events.h \
	src/job/events_read.c src/job/events_read.h \
	src/job/faults.c src/job/faults.h \
	src/job/follow.c src/job/follow.h \
	src/job/job.c src/job/job.h \
	src/job/ranked.c src/job/ranked.h \
	src/job/rundir.c src/job/rundir.h \
	src/job/speed.c src/job/speed.h src/job/speed_parse.c \
	src/job/tuning.c src/job/tuning.h
