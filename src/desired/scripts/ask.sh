#!/bin/sh
# The beginning of the scripts that ask who is master.
#
# Environment: REDIS_PORT, POD_IP, SENTINEL_HOST (the Sentinels' Service), MASTER_NAME (what they call the master).
# The scripts set `patience`: the seconds that one answer may take.

newline='
'

if [ -r /redis-auth/password ]; then
    IFS= read -r REDISCLI_AUTH </redis-auth/password || :
    VALKEYCLI_AUTH=$REDISCLI_AUTH # its name in Valkey
    export REDISCLI_AUTH VALKEYCLI_AUTH
fi

# Asks the server at a host; its port and the command follow.
server_at() {
    host=$1
    shift
    timeout "$patience" redis-cli -h "$host" -p "$@" </dev/null 2>&1
}

