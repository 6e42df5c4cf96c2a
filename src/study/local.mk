# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/study/advice.c src/study/advice.h \
	src/study/folder.c \
	src/study/model.c \
	src/study/pool.c src/study/pool.h \
	src/study/profile.c \
	src/study/result.c \
	src/study/scenario.c src/study/scenario.h \
	src/study/settings.c \
	src/study/stats.c src/study/stats.h \
	src/study/study.c src/study/study.h \
	src/study/tabulate.c \
	src/study/virtual.c
