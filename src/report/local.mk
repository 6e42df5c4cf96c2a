# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/report/account.c src/report/account.h \
	src/report/account_impl.h src/report/facts.c \
	src/report/chrome.c src/report/chrome.h \
	src/report/chrome_impl.h src/report/chrome_put.c \
	src/report/csv.c src/report/csv.h \
	src/report/curve.c src/report/curve.h \
	src/report/draft.c src/report/draft.h \
	src/report/fig_gantt.c src/report/figures.h \
	src/report/fig_learning.c \
	src/report/fig_matrix.c \
	src/report/fig_progress.c \
	src/report/fig_tables.c \
	src/report/fig_time.c \
	src/report/gnuplot.c src/report/gnuplot.h \
	src/report/html.c src/report/html.h \
	src/report/matrix.c src/report/matrix.h \
	src/report/matrix_impl.h \
	src/report/plot.c \
	src/report/report.c src/report/report.h \
	src/report/story.c src/report/story.h \
	src/report/style.c src/report/style.h \
	src/report/svg.c src/report/svg.h \
	src/report/text.c
