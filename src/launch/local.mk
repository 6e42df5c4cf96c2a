# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/launch/hosts.c src/launch/hosts.h \
	src/launch/launch.c src/launch/launch.h \
	src/launch/route.c src/launch/route.h \
	src/launch/ssh.c src/launch/ssh.h
