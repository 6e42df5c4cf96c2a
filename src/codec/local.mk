# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/codec/codec.c src/codec/codec.h src/codec/impl.h \
	src/codec/half.c src/codec/int8.c src/codec/sign.c \
	src/codec/spec.c src/codec/sparse.c src/codec/topk.c
