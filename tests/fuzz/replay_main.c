// SPDX-License-Identifier: MIT
/* Replays known inputs through a fuzz target, under any compiler.
 *
 * Arguments are files or folders (not nested); a folder that is missing counts as empty. The target
 * aborts on a finding, so reaching the end is the proof. The summary line has cmocka's form: the
 * test runner counts each input. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned replayed;

static void replay_file(const char *path)
{
    FILE    *file = fopen(path, "rb");
    long     len;
    uint8_t *bytes;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0) {
        perror(path);
        exit(1);
    }
    rewind(file);
    /* Exactly as large as the input: a sanitizer sees the first byte read past it. */
    bytes = malloc(len > 0 ? (size_t)len : 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)len, file) != (size_t)len) {
        perror(path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, (size_t)len);
    free(bytes);
    replayed++;
}

static void replay_folder(const char *path)
{
    struct dirent **entries;
    int             count = scandir(path, &entries, NULL, alphasort);

    if (count < 0 && errno == ENOTDIR)
        replay_file(path);
    for (int i = 0; i < count; i++) {
        char inner[4096];

        (void)snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            replay_file(inner);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++)
        replay_folder(arguments[i]);
    fprintf(stderr, "[  PASSED  ] %u test(s).\n", replayed);
    return replayed > 0 ? 0 : 1;
}
