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

# Sentinels have no password and complain about being given one.
sentinel() (
    unset REDISCLI_AUTH VALKEYCLI_AUTH
    timeout "$patience" redis-cli -h "$SENTINEL_HOST" -p 26379 SENTINEL "$@" </dev/null 2>&1
)

# Sets named_host and named_port to the master that the Sentinels name; both empty where they name none.
ask_master() {
    answer=$(sentinel get-master-addr-by-name "$MASTER_NAME")
    named_host=${answer%%"$newline"*}
    named_port=${answer##*"$newline"}
    case $named_port in
    '' | *[!0-9]*) named_host='' named_port='' ;;
    esac
}

