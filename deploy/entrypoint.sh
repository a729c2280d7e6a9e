#!/bin/sh
# The declared id of an instance is its container's host name: each replica of a scaled service has its own, and a
# container that is restarted after a crash keeps it, so that it ends at once what it had left open.
set -eu
export GLOWPLUG_KAFKA__INSTANCE="${GLOWPLUG_KAFKA__INSTANCE:-${HOSTNAME:-$(cat /proc/sys/kernel/hostname)}}"
exec "$@"
