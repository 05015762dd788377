# Sentinels have a password of their own. While they get it, some have none and complain about being given one; that is
# no part of the answer.
sentinel() (
    unset REDISCLI_AUTH VALKEYCLI_AUTH
    if [ -r /redis-auth/sentinel-password ]; then
        IFS= read -r REDISCLI_AUTH </redis-auth/sentinel-password || :
        VALKEYCLI_AUTH=$REDISCLI_AUTH
        export REDISCLI_AUTH VALKEYCLI_AUTH
    fi
    timeout "$patience" redis-cli -h "$SENTINEL_HOST" -p 26379 SENTINEL "$@" </dev/null 2>/dev/null
)

