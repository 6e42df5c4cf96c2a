/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "tap.h"

static const char text[] = "{\n"
                           "  \"name\": \"x\\\"y{\",\n"
                           "  \"layers\": [\n"
                           "    {\"type\": \"conv2d\", \"kernel\": 0},\n"
                           "    {\"type\": \"dense\",\n"
                           "     \"units\": [1, 2]}\n"
                           "  ],\n"
                           "  \"lr\": 0.5\n"
                           "}\n";

static void
position(const char *path, int line, int column)
{
    int l = 0, c = 0;

    ok(json_position(text, sizeof text - 1, path, &l, &c) && l == line &&
           c == column,
       "position of \"%s\" is %d:%d", path, line, column);
}

static void
fails(const struct err *e, const char *want)
{
    is_int(e->code, ERR_CONFIG, "class");
    is_str(e->text, want, "message");
}

int
main(void)
{
    static const char *const top[] = {"name", "layers", "lr", "epochs", NULL};
    static const char *const layer[] = {"type", "kernels", NULL};
    static const char *const types[] = {"dense", "relu", NULL};
    struct err e = ERR_INIT;
    struct json_doc d;
    struct jcur root, layers, first, second;
    int64_t i = 3, two[2];
    double x = 0;
    size_t n;
    int which, l, c;

    position("", 1, 1);
    position("name", 2, 11);
    position("layers", 3, 13);
    position("layers[0].kernel", 4, 34);
    position("layers[1].units[1]", 6, 19);
    position("lr", 8, 9);
    ok(!json_position(text, sizeof text - 1, "layers[2]", &l, &c) &&
           !json_position(text, sizeof text - 1, "nope", &l, &c),
       "what is not there has no position");

    ok(json_doc_parse(&d, "bad.json", "{\n \"a\": }", 9, &e) == -1, "syntax");
    ok(!strncmp(e.text, "bad.json:2:", 11), "%s", e.text);
    err_clear(&e);
    ok(json_doc_parse(&d, "dup.json", "{\"a\":1,\"a\":2}", 13, &e) == -1,
       "duplicate key: %s", e.text);
    err_clear(&e);
    ok(json_doc_load(&d, "/nonexistent.json", &e) == -1, "%s", e.text);
    err_clear(&e);

    if (!ok(json_doc_parse(&d, "j.json", text, sizeof text - 1, &e) == 0,
            "document"))
        return done();
    root = jcur_root(&d);
    ok(jcur_object(&root, top, &e) == 0, "known keys");
    layers = jcur_key(&root, "layers");
    ok(jcur_array(&layers, 1, &n, &e) == 0 && n == 2, "array");
    first = jcur_at(&layers, 0);
    second = jcur_at(&layers, 1);

    jcur_int(&first, "kernel", 1, 64, &i, &e);
    fails(&e, "j.json:4:34: layers[0].kernel: expected an integer from 1 to "
              "64, got 0");
    err_clear(&e);
    jcur_object(&first, layer, &e);
    fails(&e, "j.json:4:34: layers[0].kernel: unknown key, did you mean "
              "\"kernels\"?");
    err_clear(&e);
    jcur_int(&root, "epochs", 1, INT64_MAX, &i, &e);
    fails(&e, "j.json:1:1: epochs: expected an integer of at least 1, got "
              "nothing");
    err_clear(&e);
    jcur_enum_or(&first, "type", types, &which, &e);
    fails(&e, "j.json:4:14: layers[0].type: expected one of dense, relu, got "
              "\"conv2d\"");
    err_clear(&e);
    jcur_num(&root, "name", 0, 1, &x, &e);
    fails(&e, "j.json:2:11: name: expected a number from 0 to 1, got "
              "\"x\"y{\"");
    err_clear(&e);
    ok(jcur_ints_or(&second, "units", 2, 1, 9, two, &e) == 0 && two[1] == 2,
       "array of integers");
    ok(jcur_int_or(&root, "epochs", 1, 9, &i, &e) == 0 && i == 3,
       "an absent key leaves the default");

    ok(json_doc_set(&d, "layers[0].kernel", "99", "--set layers[0].kernel=99",
                    &e) == 0 &&
           json_doc_set(&d, "name", "plain words", "--set name=plain words",
                        &e) == 0,
       "set %s", e.text);
    jcur_int(&first, "kernel", 1, 64, &i, &e);
    fails(&e, "--set layers[0].kernel=99: layers[0].kernel: expected an "
              "integer from 1 to 64, got 99");
    err_clear(&e);
    ok(json_doc_set(&d, "layers[0].kernel", "3.0", "--set x", &e) == 0, "set");
    jcur_int(&first, "kernel", 1, 64, &i, &e);
    fails(&e, "--set x: layers[0].kernel: expected an integer from 1 to 64, "
              "got 3.0");
    err_clear(&e);
    is_str(json_string_value(json_object_get(d.root, "name")), "plain words",
           "what is not JSON is a string");
    ok(json_doc_set(&d, "layers[7].kernel", "1", "--set x", &e) == -1, "%s",
       e.text);
    err_clear(&e);
    ok(json_doc_set(&d, "a..b", "1", "--set a..b=1", &e) == -1, "%s", e.text);
    json_doc_release(&d);
    return done();
}
