#!/bin/sh
# May clients use this server? Yes for a master, and for a replica that is in sync with one.
# This runs every two seconds in every pod, so it starts one process and does the rest in the shell itself.

if [ -r /redis-auth/password ]; then
    IFS= read -r REDISCLI_AUTH </redis-auth/password || :
    VALKEYCLI_AUTH=$REDISCLI_AUTH # its name in Valkey
    export REDISCLI_AUTH VALKEYCLI_AUTH
fi

info=$(redis-cli -h 127.0.0.1 -p "$REDIS_PORT" INFO 2>&1)
newline='
'

# The newline keeps loading: from matching async_loading:, and the like.
case $info in
*"${newline}loading:1"*) echo 'loading its data' ;;
*"${newline}role:master"*) exit 0 ;;
*"${newline}master_host:127.0.0.1"*) echo 'not told yet whom to follow' ;;
*"${newline}master_sync_in_progress:1"*) echo 'copying the data of its master' ;;
*"${newline}master_link_status:up"*) exit 0 ;;
*"${newline}role:slave"*) echo 'no link to its master' ;;
*) echo "no usable answer: ${info%%"$newline"*}" ;;
esac
exit 1
