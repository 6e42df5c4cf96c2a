# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += src/launch/launch.c src/launch/launch.h
