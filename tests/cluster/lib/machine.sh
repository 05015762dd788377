# shellcheck shell=bash
# Machines (namespaces with a first process) and the network that joins them.

# A machine is known by its command line, which names our state folder: no pid file can go stale, no
# process of anybody else's can be meant, and any clone of the project finds the same cluster.
FIRST_PROCESS=$STATE/machine # a copy, because the clone that it comes from may change or vanish
machine_holder() { pgrep -o -f -- "unshare .* $FIRST_PROCESS $STATE/$1 "; }
machine_runs() { machine_holder "$1" >/dev/null; }
machine_init() { # host's pid of the machine's first process
  local holder
  holder=$(machine_holder "$1") && pgrep -P "$holder"
}

known_nodes() { (cd "$STATE" && ls -d node[1-5] 2>/dev/null) || true; }
running_nodes() {
  local node
  for node in $(known_nodes); do if machine_runs "$node"; then echo "$node"; fi; done
}

daemon() { # MACHINE NAME COMMAND...: a program that the machine keeps running
  local file=$STATE/$1/daemons/$2
  mkdir -p "$STATE/$1/daemons"
  shift 2
  printf '#!/usr/bin/env bash\nexec%s\n' "$(printf ' %q' "$@")" >"$file"
  chmod +x "$file"
}

daemon_after() { # MACHINE NAME CONDITION COMMAND...: the same, once the condition holds
  local file=$STATE/$1/daemons/$2 condition=$3
  daemon "$1" "$2" "${@:4}"
  sed -i "1a until $condition; do sleep 0.2; done >/dev/null 2>&1" "$file"
}

start_machine() { # NAME ADDRESS: its daemons have been written before
  local name=$1 namespace=$PREFIX-$1
  join_network "$name" "$2"
  mkdir -p /tmp/hostpath_pv # a mount point only
  cp "$HERE/machine" "$FIRST_PROCESS.new" && mv "$FIRST_PROCESS.new" "$FIRST_PROCESS"
  setsid nsenter --net="/run/netns/$namespace" unshare --mount --pid --uts --fork --kill-child --mount-proc \
    "$FIRST_PROCESS" "$STATE/$name" "$STATE/log" "$STATE/volumes" \
    </dev/null >>"$STATE/log/$name.log" 2>&1 9>&- &
  disown
  wait_until 5 machine_init "$name" || die "machine $name did not start: $(tail -n 3 "$STATE/log/$name.log")"
}

kill_machines() { # the kernel ends every process in a machine with its first one
  local pids
  pids=$(pgrep -f -- "unshare .* $FIRST_PROCESS $STATE/" || true)
  [ -z "$pids" ] || {
    # shellcheck disable=SC2086
    kill -9 $pids 2>/dev/null || true
  }
  wait_until 30 no_machine_left || die "processes of the cluster would not end"
}
no_machine_left() { ! pgrep -f -- "$FIRST_PROCESS $STATE/" >/dev/null; }

# Names of links and namespaces belong to the whole host, so there is one cluster of this kind on it.
refuse_other_state() {
  local other
  other=$(pgrep -af -- 'unshare .*/cluster/state/machine ' | grep -vF -- " $FIRST_PROCESS " | head -n 1) || true
  [ -z "$other" ] || die "a cluster with its state in another folder runs: ${other##*--mount-proc }"
}

make_network() {
  # Without br_netfilter, answers between two pods of one node would skip kube-proxy's translation.
  # Many kernels have both built in.
  modprobe -qa overlay br_netfilter 2>/dev/null || true
  sysctl -qw net.ipv4.ip_forward=1
  ip link show "$BRIDGE" >/dev/null 2>&1 || {
    ip link add "$BRIDGE" type bridge
    ip addr add "$HOST_IP/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
  }
  local direction # a host with another container engine may drop what it forwards
  for direction in -i -o; do
    iptables -C FORWARD $direction "$BRIDGE" -j ACCEPT 2>/dev/null || iptables -I FORWARD $direction "$BRIDGE" -j ACCEPT
  done
}

join_network() { # NAME ADDRESS: a network namespace with eth0 on the bridge
  local name=$1 address=$2 namespace=$PREFIX-$1 link=$PREFIX-$1
  [ ! -e "/run/netns/$namespace" ] || ip netns del "$namespace"
  ip link del "$link" 2>/dev/null || true
  ip netns add "$namespace"
  ip link add "$link" type veth peer name eth0 netns "$namespace"
  ip link set "$link" master "$BRIDGE" up
  ip -n "$namespace" link set lo up
  ip -n "$namespace" addr add "$address/24" dev eth0
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" route add default via "$HOST_IP"
  nsenter --net="/run/netns/$namespace" sysctl -qw net.ipv4.ip_forward=1
}

# Every machine and the host learn the way to every node's pods. Services are reached through
# kube-proxy, which runs on nodes only; the others ask node1.
update_routes() {
  local at node
  for node in $(known_nodes); do
    ip route replace "$(pod_range "$node")" via "$(node_ip "$node")"
    for at in control $(running_nodes); do
      [ "$at" = "$node" ] || ip -n "$PREFIX-$at" route replace "$(pod_range "$node")" via "$(node_ip "$node")"
    done
  done
  ip route replace "$SERVICES" via "$(node_ip node1)"
}

delete_network() {
  local namespace direction
  for namespace in control node1 node2 node3 node4 node5; do
    [ ! -e "/run/netns/$PREFIX-$namespace" ] || ip netns del "$PREFIX-$namespace"
    ip link del "$PREFIX-$namespace" 2>/dev/null || true
  done
  for direction in -i -o; do iptables -D FORWARD $direction "$BRIDGE" -j ACCEPT 2>/dev/null || true; done
  ip link del "$BRIDGE" 2>/dev/null || true
}
