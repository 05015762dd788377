# Sentinels have no password and complain about being given one.
sentinel() (
    unset REDISCLI_AUTH VALKEYCLI_AUTH
    timeout "$patience" redis-cli -h "$SENTINEL_HOST" -p 26379 SENTINEL "$@" </dev/null 2>&1
)

