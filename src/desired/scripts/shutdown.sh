# Runs before this server stops: a master hands over to a replica, then every server saves its data.
# Nothing here may fail or outlast the stop: what cannot be reached is left alone.
#
# Environment: STOP_SECONDS (the grace period) besides.

patience=2

# Seconds for the handover: ten are left for saving.
limit=$((STOP_SECONDS - 10))
[ "$limit" -le 15 ] || limit=15
[ "$limit" -ge 0 ] || limit=0

server() {
    server_at 127.0.0.1 "$REDIS_PORT" "$@"
}

can_hand_over() {
    case $(server INFO replication) in
    *role:master*state=online*) ;;
    *) return 1 ;;
    esac
    ask_master
    [ -n "$named_host" ] && [ "$named_host" = "$POD_IP" ]
}

# The operator hands over faster, and begins at once where it runs. Two hands would be in each other's way: it goes first.
operator_does_not() {
    [ "$limit" -gt 2 ] || return 0
    for _ in 1 2 3 4 5 6 7 8; do
        sleep 0.25 2>/dev/null || sleep 1
        can_hand_over || return 1
    done
}

# Until the Sentinels name another master. They would demote this server only some eight seconds later, and what
# clients write to it until then is lost, so it follows the new master at once.
follow_new_master() {
    end=$(($(date +%s) + limit))
    while [ "$(date +%s)" -lt "$end" ]; do
        sleep 0.1 2>/dev/null || sleep 1
        ask_master
        if [ -n "$named_host" ] && [ "$named_host" != "$POD_IP" ]; then
            server REPLICAOF "$named_host" "$named_port"
            return
        fi
        case $(server INFO replication) in
        *role:slave*) return ;;
        esac
    done
}

hand_over() {
    # What is written from here on would be missing on the new master.
    server CLIENT PAUSE "$((limit * 1000))" WRITE
    case $(sentinel FAILOVER "$MASTER_NAME") in
    OK* | *INPROG*) follow_new_master ;;
    esac
    server CLIENT UNPAUSE
}

{
    if can_hand_over && operator_does_not; then
        hand_over
    fi
    redis-cli -h 127.0.0.1 -p "$REDIS_PORT" SAVE
} >/dev/null 2>&1
exit 0
