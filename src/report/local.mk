# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/report/chrome.c src/report/chrome.h \
	src/report/draft.c src/report/draft.h \
	src/report/story.c src/report/story.h
