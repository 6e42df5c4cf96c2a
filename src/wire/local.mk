# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/wire/frame.c src/wire/frame.h \
	src/wire/msg.c src/wire/msg.h src/wire/msg_emulate.c \
	src/wire/msg_servers.c src/wire/msg_servers.h \
	src/wire/pieces.c src/wire/pieces.h
libebsp_a_SOURCES += src/wire/join.c src/wire/join.h
