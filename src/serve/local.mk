# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/serve/clients.c \
	src/serve/control.c \
	src/serve/serve.c src/serve/serve.h src/serve/serve_impl.h
