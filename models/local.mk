# SPDX-License-Identifier: Apache-2.0
# Jobs that are ready to run: `ebsp train $(pkgdatadir)/models/NAME.json`, and
# the schema by which an editor completes and checks them.
modelsdir = $(pkgdatadir)/models
dist_models_DATA = \
	models/alexnet-cifar10.json \
	models/alexnet-large-cifar10.json \
	models/lenet5-digits.json \
	models/lenet5-mnist.json \
	models/mlp-mnist.json \
	models/resnet20-cifar10.json \
	models/resnet56-cifar10.json \
	models/resnet110-cifar10.json \
	models/resnet50-cifar100.json \
	models/vgg16.json \
	models/ebsp-job.schema.json
EXTRA_DIST += models/README.md models/make-deep
