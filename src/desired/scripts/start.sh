# Starts this server. What its disk holds may be old, so it asks first who is master.
#
# The server that died as master waits, silent, while another one lives that has its data: the Sentinels replace only a
# master that does not answer, and one that answers as a replica would keep them waiting for long. Where nobody has to
# be waited for, it starts as redis.conf says: as a replica of nobody.

patience=1

# Of INFO.
line_end=$(printf '\r')

# Longer than a failover of the Sentinels. Whatever went wrong then, the operator wants to see this server.
bound=20

# As the first process of a container it would not end by itself. The server that follows has its own way to stop.
trap 'exit 143' TERM INT

start() {
    exec redis-server /redis/redis.conf "$@"
}

# Follows the named server, if it answers as master; one that is gone or waits itself is nobody to follow. Whether an
# empty one may overwrite what this disk holds is for the operator to say.
start_after() {
    case $(server_at "$1" "$2" INFO) in
    *role:master*db[0-9]*:keys=*) start --replicaof "$1" "$2" ;;
    *role:master*) start ;;
    esac
}

# Whether a server has what this one had: a replica that has not restarted since, and was in sync a moment ago; or one
# that was promoted already. Servers that restarted may have lost their data, and follow nobody.
is_heir() {
    info=$(server_at "$1" "$2" INFO replication)
    case $info in
    *role:master*) return 0 ;;
    *"master_host:$POD_IP$line_end"*) ;;
    *) return 1 ;;
    esac
    case $info in
    *master_link_status:up*) return 0 ;;
    *"link_down_since_seconds:"[0-9]"$line_end"* | *"link_down_since_seconds:"[0-9][0-9]"$line_end"*) return 0 ;;
    esac
    return 1
}

# The Sentinel's answer is a list of names and values, each on a line of its own.
has_heir() {
    sentinel replicas "$MASTER_NAME" | (
        while IFS= read -r name && IFS= read -r value; do
            case $name in
            ip) ip=$value ;;
            port) if is_heir "$ip" "$value"; then exit 0; fi ;;
            esac
        done
        exit 1
    )
}

end=$(($(date +%s) + bound))
waits=''
while [ "$(date +%s)" -lt "$end" ]; do
    ask_master
    case $named_host in
    "$POD_IP") has_heir || start ;;
    '' | 127.0.0.1) [ -n "$waits" ] || start ;;
    *)
        start_after "$named_host" "$named_port"
        [ -n "$waits" ] || start
        ;;
    esac
    [ -n "$waits" ] || echo 'this server was master; waiting until another one is'
    waits=yes
    sleep 0.5 2>/dev/null || sleep 1
done
echo "no other server became master within $bound seconds"
start
