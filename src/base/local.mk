# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/crew.c src/base/crew.h \
	src/base/err.c src/base/err.h \
	src/base/exact.c src/base/exact.h \
	src/base/fs.c src/base/fs.h \
	src/base/habit.c src/base/habit.h \
	src/base/json.c src/base/json.h \
	src/base/json_cursor.c \
	src/base/json_pos.c \
	src/base/limits.c src/base/limits.h \
	src/base/log.c src/base/log.h \
	src/base/mem.c src/base/mem.h \
	src/base/rd.c src/base/rd.h \
	src/base/rng.c src/base/rng.h \
	src/base/shm.c src/base/shm.h \
	src/base/str.c src/base/str.h \
	src/base/vec.c src/base/vec.h
