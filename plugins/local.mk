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

# the ladder
GATE_SOURCES = plugins/common/gate.c plugins/common/gate.h plugins/act.h

policy_PROGRAMS += plugins/ssp.so
plugins_ssp_so_SOURCES = plugins/ssp/ssp.c $(GATE_SOURCES)
plugins_ssp_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_ssp_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_ssp_so_LDADD =

policy_PROGRAMS += plugins/dssp.so
plugins_dssp_so_SOURCES = plugins/dssp/dssp.c $(GATE_SOURCES)
plugins_dssp_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_dssp_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_dssp_so_LDADD =

policy_PROGRAMS += plugins/backup.so
plugins_backup_so_SOURCES = plugins/backup/backup.c plugins/act.h
plugins_backup_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_backup_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_backup_so_LDADD =

policy_PROGRAMS += plugins/kasync.so
plugins_kasync_so_SOURCES = plugins/kasync/kasync.c plugins/act.h
plugins_kasync_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_kasync_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_kasync_so_LDADD =

policy_PROGRAMS += plugins/elasticbsp.so
plugins_elasticbsp_so_SOURCES = \
	plugins/elasticbsp/elasticbsp.c plugins/elasticbsp/elasticbsp.h \
	plugins/elasticbsp/plan.c \
	plugins/elasticbsp/predict.c plugins/elasticbsp/predict.h \
	plugins/elasticbsp/superstep.c \
	plugins/zipline/leap.c plugins/zipline/search.h \
	plugins/zipline/tree.c plugins/zipline/tree.h \
	plugins/zipline/waste.c \
	plugins/zipline/zipline.c plugins/zipline/zipline.h \
	$(GATE_SOURCES)
plugins_elasticbsp_so_CFLAGS = $(PLUGIN_CFLAGS)
plugins_elasticbsp_so_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_elasticbsp_so_LDADD =
