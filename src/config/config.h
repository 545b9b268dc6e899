// SPDX-License-Identifier: MIT
/* A configuration is a pure function of its source.
 *
 * The source is asked for files, file lists and addresses of names. In the supervisor it reads the
 * disk, asks the system's resolver and records what it learnt (config/bundle.h); in the worker, after
 * a crash and in tests it answers from that record. So the process that talks to the network opens no file, and a file that was broken on disk later
 * cannot stop a recovery. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <sys/types.h>

#include "config/diagnose.h"
#include "proxy/site.h"

/* Where the pid file is unless told otherwise; a package sets its own with -D. */
#ifndef FRONTDESK_PID
#define FRONTDESK_PID "/run/frontdesk.pid"
#endif

/* Longest control_socket: a suffix has to fit behind it into an address (108 bytes). */
enum { CONTROL_PATH_MOST = 103 };

/* Where configuration text comes from. Paths are absolute. */
struct config_source {
    /* The file's text, living as long as the source; -ENOENT and so on. */
    int (*read)(struct config_source *source, struct text path, struct text *ret_text);
    /* Paths that match the pattern, sorted; an empty list is fine. */
    int (*glob)(struct config_source *source, struct text pattern, struct text **ret_paths,
                unsigned *ret_count);
    /* Addresses of a name, without ports, in the system's order; -ENOENT and so on. */
    int (*resolve)(struct config_source *source, struct text name,
                   const struct address **ret_addresses, unsigned *ret_count);
};

/* What was given on the command line. */
struct config_options {
    struct text prefix;                  /* -p; ends in "/" */
    struct text path;                    /* -c; absolute */
    struct text error_log;               /* -e; absolute or "stderr" */
    struct text globals;                 /* -g; may be empty */
    bool        is_unprivileged;         /* a server without `listen` gets port 8000, not 80 */
};

/* The main level. */
struct core {
    bool              is_daemon;         /* daemon on */
    bool              has_master;        /* master_process on */
    struct text       pid_path;          /* absolute */
    struct text       control_path;      /* control_socket: absolute; empty: off */
    bool              is_control_said;   /* by the configuration: then it has to be possible */
    struct text       user, group;       /* empty: not set */
    unsigned          worker_processes;  /* loops; 0: auto */
    unsigned          worker_connections;/* 512 per loop */
    uint64_t          nofile;            /* worker_rlimit_nofile; 0: not set */
    uint32_t          shutdown_timeout_ms;   /* 0: no limit */
    struct error_log *error_log;         /* main level; never NULL */
    uint64_t          memory_bytes;      /* worker_memory; 0: as a share */
    uint32_t          memory_percent;    /* of what there is; 0: no limit */
    uint32_t          lag_close_ms, lag_stop_ms;   /* worker_lag; 0: off */
    uint32_t          ticket_rotate_ms;  /* ssl_session_ticket_rotate */
    uint32_t          certificate_watch_ms;  /* ssl_certificate_watch; 0: off */
    int               priority;          /* worker_priority */
    struct text       working_directory; /* empty: not set */
    struct text      *temp_paths;        /* directories to make at start */
    unsigned          temp_path_count;
    struct text      *keep_env;          /* env NAME or NAME=value */
    unsigned          keep_env_count;
};

struct config {
    struct arena *arena;                 /* holds everything below */
    struct core   core;
    struct site   site;
    struct text  *files;                 /* every file that was read, in order: for -T */
    unsigned      file_count;
    struct text  *tls_files;             /* that directives of TLS name, each once */
    unsigned      tls_file_count;
    struct text  *tls_patterns;          /* of those that variables name */
    unsigned      tls_pattern_count;
    struct text  *tls_keys;              /* texts of private keys; of the bundle or the arena */
    unsigned      tls_key_count;
    bool          has_lasting_keys;      /* some are chosen in handshakes, by variables */
};

/* Compiles. NULL when anything was an error: `diagnoses` then has every one of them. */
struct config *config_load(struct config_source *source, const struct config_options *options,
                           struct diagnoses *diagnoses);
void           config_free(struct config **config);
/* Overwrites the texts of private keys, for a process that has its contexts and compiles the record never again. Keys
 * that handshakes choose by variables stay, and then all do: their files may be the same. */
void           config_forget_keys(const struct config *config);

#endif
