# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/nn/graph.c src/nn/graph.h \
	src/nn/graph_read.c \
	src/nn/init.c src/nn/init.h \
	src/nn/layer.c src/nn/layer.h \
	src/nn/optim.c src/nn/optim.h \
	src/nn/optim_kernels.c src/nn/optim_kernels.h \
	src/nn/schedule.c \
	src/nn/segment.c src/nn/segment.h \
	src/nn/tensors.c src/nn/tensors.h \
	src/nn/tensors_header.c src/nn/tensors_header.h \
	src/nn/layers/types.h \
	src/nn/layers/window.c src/nn/layers/window.h \
	src/nn/layers/activation.c \
	src/nn/layers/add.c \
	src/nn/layers/batchnorm.c \
	src/nn/layers/conv2d.c \
	src/nn/layers/dense.c \
	src/nn/layers/dropout.c \
	src/nn/layers/flatten.c \
	src/nn/layers/groupnorm.c \
	src/nn/layers/loss.c \
	src/nn/layers/lrn.c \
	src/nn/layers/pool.c \
	src/nn/layers/relu.c
