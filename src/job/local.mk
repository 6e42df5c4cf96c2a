# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/job/evaluate.c src/job/evaluate.h \
	src/job/events.c src/job/events.h \
	src/job/events_read.c src/job/events_read.h \
	src/job/faults.c src/job/faults.h \
	src/job/job.c src/job/job.h \
	src/job/rundir.c src/job/rundir.h
