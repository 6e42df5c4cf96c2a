# SPDX-License-Identifier: Apache-2.0
# Scenarios for `ebsp bench --scenario NAME`.
scenariosdir = $(pkgdatadir)/scenarios
dist_scenarios_DATA = \
	scenarios/equal.json \
	scenarios/heavy-tail.json \
	scenarios/node-lost.json \
	scenarios/one-2x-slow.json \
	scenarios/one-3x-slow.json \
	scenarios/periodic.json \
	scenarios/slow-link.json \
	scenarios/two-class.json
