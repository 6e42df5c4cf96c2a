# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/sim/heap.c src/sim/heap.h \
	src/sim/learner.c src/sim/learner.h \
	src/sim/replay.c src/sim/replay.h \
	src/sim/replay_drive.c src/sim/replay_impl.h \
	src/sim/replay_follow.c src/sim/replay_tell.c \
	src/sim/sim.c src/sim/sim.h \
	src/sim/trace.c src/sim/trace.h
