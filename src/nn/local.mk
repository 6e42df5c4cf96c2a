# SPDX-License-Identifier: Apache-2.0
libebsp_a_SOURCES += \
	src/nn/dnn.c src/nn/dnn.h \
	src/nn/graph.c src/nn/graph.h \
	src/nn/graph_read.c \
	src/nn/init.c src/nn/init.h \
	src/nn/kernels.c src/nn/kernels.h \
	src/nn/kernels_pool.c src/nn/kernels_pool.h \
	src/nn/layer.c src/nn/layer.h \
	src/nn/net.c src/nn/net.h \
	src/nn/optim.c src/nn/optim.h \
	src/nn/optim_kernels.c src/nn/optim_kernels.h \
	src/nn/par.c src/nn/par.h \
	src/nn/plan.c src/nn/plan.h \
	src/nn/plan_choose.c \
	src/nn/plan_describe.c \
	src/nn/plan_emit.c \
	src/nn/plan_memory.c \
	src/nn/plan_value.c \
	src/nn/range.c src/nn/range.h \
	src/nn/schedule.c \
	src/nn/segment.c src/nn/segment.h \
	src/nn/tensors.c src/nn/tensors.h \
	src/nn/tensors_header.c src/nn/tensors_header.h \
	src/nn/tune.c src/nn/tune.h \
	src/nn/tune_times.c src/nn/tune_times.h \
	src/nn/ways.c src/nn/ways.h \
	src/nn/ways_taken.c \
	src/nn/wino.c src/nn/wino.h \
	src/nn/wino_kernels.h \
	src/nn/wino_lanes.h \
	src/nn/wino_product.c \
	src/nn/wino_transform.c \
	src/nn/layers/types.h \
	src/nn/layers/conv2d.h \
	src/nn/layers/pool.h \
	src/nn/layers/window.c src/nn/layers/window.h \
	src/nn/layers/activation.c \
	src/nn/layers/add.c \
	src/nn/layers/batchnorm.c \
	src/nn/layers/conv2d.c \
	src/nn/layers/conv2d_wino.c \
	src/nn/layers/dense.c src/nn/layers/dense.h \
	src/nn/layers/dense_padded.c \
	src/nn/layers/dropout.c \
	src/nn/layers/flatten.c \
	src/nn/layers/groupnorm.c \
	src/nn/layers/loss.c \
	src/nn/layers/lrn.c \
	src/nn/layers/maxpool.c \
	src/nn/layers/pool.c \
	src/nn/layers/relu.c
