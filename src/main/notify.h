// SPDX-License-Identifier: MIT
/* Tells a service manager that we are ready, reloading or stopping (systemd's Type=notify). */
#ifndef MAIN_NOTIFY_H
#define MAIN_NOTIFY_H

/* Nothing happens without NOTIFY_SOCKET in the environment. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
