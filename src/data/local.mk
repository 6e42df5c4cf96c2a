# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/data/archive.c src/data/archive.h \
	src/data/assign.c src/data/assign.h src/data/assign_impl.h \
	src/data/assign_state.c \
	src/data/augment.c src/data/augment.h \
	src/data/blob.c src/data/blob.h \
	src/data/blobs.c \
	src/data/cifar.c \
	src/data/cursors.c src/data/cursors.h \
	src/data/dataset.c src/data/dataset.h src/data/kind.h \
	src/data/digits.c src/data/digits.h \
	src/data/digits_draw.c src/data/digits_glyphs.c \
	src/data/idx.c \
	src/data/loader.c src/data/loader.h \
	src/data/raw.c \
	src/data/shards.c
