# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/io/addr.c src/io/addr.h \
	src/io/auth.c src/io/auth.h \
	src/io/child.c src/io/child.h \
	src/io/conn.c src/io/conn.h \
	src/io/conn_close.c src/io/conn_link.c src/io/conn_read.c src/io/conn_tls.c \
	src/io/conn_write.c \
	src/io/conn_impl.h src/io/conn_priv.h \
	src/io/deliver.c src/io/deliver.h \
	src/io/crowd.c src/io/crowd.h \
	src/io/connect.c \
	src/io/link.c src/io/link.h \
	src/io/listen.c \
	src/io/local.c src/io/local.h src/io/local_impl.h \
	src/io/local_ask.c src/io/local_peer.c \
	src/io/loop.h \
	src/io/resolve.c src/io/resolve.h \
	src/io/tls.c src/io/tls.h src/io/tls_ctx.c src/io/tls_impl.h
