/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_CMD_BENCH_SYNC_H
#define EBSP_CMD_BENCH_SYNC_H

struct err;

/* `ebsp bench sync`: argv[0] is "ebsp bench sync". */
int bench_sync(int argc, char **argv, struct err *err);

#endif
