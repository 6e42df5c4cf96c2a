# SPDX-License-Identifier: Apache-2.0
# Jobs that are ready to run: `ebsp train $(pkgdatadir)/models/NAME.json`.
modelsdir = $(pkgdatadir)/models
dist_models_DATA =
