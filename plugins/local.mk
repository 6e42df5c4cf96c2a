# SPDX-License-Identifier: Apache-2.0
# One entry per policy.
policy_PROGRAMS += plugins/bsp.so
plugins_bsp_so_SOURCES = plugins/bsp/bsp.c plugins/act.h
plugins_bsp_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_bsp_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_bsp_so_LDADD =

policy_PROGRAMS += plugins/asp.so
plugins_asp_so_SOURCES = plugins/asp/asp.c plugins/act.h
plugins_asp_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_asp_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_asp_so_LDADD =
