/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp help [SUB]: the overview, or what SUB --help prints. */
#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"

#include <stdio.h>

static void
overview(void)
{
    puts("usage: ebsp SUBCOMMAND [options]\n"
         "\n"
         "Trains neural networks data-parallel on machines that are not "
         "equally fast.\n");
    for (size_t i = 0; cmd_table[i]; i++)
        if (!cmd_table[i]->hidden)
            printf("  %-9s %s\n", cmd_table[i]->name, cmd_table[i]->summary);
    puts("\n\"ebsp help SUB\" or \"ebsp SUB --help\" tells the options of a "
         "subcommand, \"man ebsp\" more.");
}

static int
run(int argc, char **argv, struct err *err)
{
    const struct cmd *c;
    char *name, *args[3] = {NULL, NULL, NULL};
    char flag[] = "--help";
    int r;

    if (argc < 2) {
        overview();
        return 0;
    }
    if (argc > 2)
        return err_set(err, ERR_USAGE, "expected one subcommand, got %d",
                       argc - 1);
    c = cmd_find(argv[1]);
    if (!c)
        return cmd_unknown(argv[1], err);
    if (c == &cmd_help) {
        overview();
        return 0;
    }
    name = mem_printf("ebsp %s", c->name);
    if (!name)
        return err_nomem(err);
    args[0] = name;
    args[1] = flag;
    r = c->run(2, args, err);
    mem_free(name);
    return r;
}

const struct cmd cmd_help = {
    .name = "help",
    .args = "[SUB]",
    .summary = "tell about ebsp or about a subcommand",
    .run = run,
};
