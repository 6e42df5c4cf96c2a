# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/view/board.c src/view/board.h \
	src/view/http.c src/view/http.h \
	src/view/prom.c src/view/prom.h \
	src/view/tally.c src/view/tally.h src/view/tally_impl.h \
	src/view/tally_run.c src/view/tally_worker.c \
	src/view/tfevents.c src/view/tfevents.h \
	src/view/viewer.c src/view/viewer.h
