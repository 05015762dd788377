# shellcheck shell=bash
# A node: a machine with containerd, kubelet and kube-proxy.

start_nodes() { # COUNT
  local node new=() kubectl=("$BIN/kubectl" --kubeconfig "$ADMIN")
  for node in $(seq -f 'node%g' "$1"); do
    machine_runs "$node" && continue
    new+=("$node")
    rm -rf "${STATE:?}/$node" # of a node that was killed
    delete_cgroup "$node"
    write_node "$node"
    start_machine "$node" "$(node_ip "$node")"
  done
  update_routes
  for node in $(running_nodes); do import_images "$node"; done
  for node in $(running_nodes); do
    "${kubectl[@]}" wait --for=create "node/$node" --timeout=60s >/dev/null
    "${kubectl[@]}" wait --for=condition=Ready "node/$node" --timeout=60s >/dev/null ||
      die "$node is not ready: $(tail -n 3 "$STATE/log/$node-kubelet.log")"
  done
  # Pods cannot be created before the controllers made the account that they run as.
  "${kubectl[@]}" wait --for=create serviceaccount/default --timeout=60s >/dev/null
  [ ${#new[@]} = 0 ] || say "started ${new[*]}"
}

write_node() { # NODE
  local node=$1 dir=$STATE/$1 ip
  ip=$(node_ip "$node")
  mkdir -p "$dir/cni"
  certificate "$node" "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$ip"
  kubeconfig "$node"
  echo "nameserver $CONTROL_IP" >"$dir/resolv.conf"
  write_cni "$node"
  write_containerd "$node"
  write_kubelet "$node"
  write_kube_proxy "$node"
  daemon "$node" containerd containerd -c "$dir/containerd.toml"
  daemon_after "$node" kubelet "[ -S $dir/containerd.sock ]" "$BIN/kubelet" --config="$dir/kubelet.yaml" \
    --kubeconfig="$STATE/$node.kubeconfig" --hostname-override="$node" --node-ip="$ip" --root-dir="$dir/kubelet"
  daemon "$node" kube-proxy "$BIN/kube-proxy" --config="$dir/kube-proxy.yaml"
}

write_cni() {
  cat >"$STATE/$1/cni/10-pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$STATE/$1/ipam", "ranges": [[{"subnet": "$(pod_range "$1")"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
}

write_containerd() {
  cat >"$STATE/$1/containerd.toml" <<END
version = 2
root = "$STATE/$1/containerd"
state = "/run/containerd"
[grpc]
  address = "$STATE/$1/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:$PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$STATE/$1/cni"
END
}

# Eviction by disk is off: the nodes share the host's disk, and how full that is says nothing about a test.
write_kubelet() {
  make_cgroup "$1"
  cat >"$STATE/$1/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$1.crt
tlsPrivateKeyFile: $PKI/$1.key
containerRuntimeEndpoint: unix://$STATE/$1/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$PREFIX-$1
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
clusterDNS: [$CONTROL_IP]
clusterDomain: cluster.local
resolvConf: $STATE/$1/resolv.conf
podLogsDir: $STATE/$1/pod-logs
volumePluginDir: $STATE/$1/volume-plugins
nodeStatusUpdateFrequency: 4s
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", imagefs.available: "0%", memory.available: 100Mi}
END
}

write_kube_proxy() {
  cat >"$STATE/$1/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $STATE/kube-proxy.kubeconfig}
clusterCIDR: $PODS
hostnameOverride: $1
mode: iptables
conntrack: {maxPerCore: 0}
END
}

make_cgroup() { # NODE: kubelet wants its root to exist, with the controllers that it uses
  local root=/sys/fs/cgroup controller file
  if [ -f $root/cgroup.controllers ]; then # version 2
    for controller in cpu cpuset memory pids io hugetlb; do
      echo "+$controller" >$root/cgroup.subtree_control 2>/dev/null || true
    done
    mkdir -p "$root/$PREFIX-$1"
    return
  fi
  for controller in "$root"/*/; do mkdir -p "$controller$PREFIX-$1"; done
  for file in cpuset.cpus cpuset.mems; do # empty at first, and then nothing may run in it
    [ ! -d $root/cpuset ] || cat "$root/cpuset/$file" >"$root/cpuset/$PREFIX-$1/$file"
  done
}

delete_cgroup() { # NODE
  local folder
  for folder in "/sys/fs/cgroup/$PREFIX-$1" /sys/fs/cgroup/*/"$PREFIX-$1"; do
    [ ! -d "$folder" ] || wait_until 10 find "$folder" -depth -type d -exec rmdir {} + ||
      say "left over: $folder"
  done
}
delete_cgroups() {
  local node
  for node in node1 node2 node3 node4 node5; do delete_cgroup "$node"; done
}

# The client of containerd, in the namespace where kubelet looks for images.
node_ctr() { # NODE ARGUMENT...
  ctr --address "$STATE/$1/containerd.sock" --namespace k8s.io "${@:2}"
}

import_image() { # NODE ARCHIVE
  node_ctr "$1" images import "$2" >/dev/null || die "$1 does not take the image $2"
}

import_images() { # NODE: the test images, when they are newer than what it has
  local node=$1 archive
  wait_until 30 node_ctr "$node" version || die "containerd on $node: $(tail -n 3 "$STATE/log/$node-containerd.log")"
  for archive in "$IMAGES"/*.tar; do
    [ ! "$archive" -nt "$STATE/$node/imported" ] || import_image "$node" "$archive"
  done
  touch "$STATE/$node/imported"
}

check_node() {
  [[ " $(running_nodes | tr '\n' ' ')" == *" $1 "* ]] || die "'$1' is not one of: $(running_nodes | tr '\n' ' ')"
}

# The host's end of the cable: the node keeps its addresses and routes, as if a switch had failed.
unplug_node() { check_node "$1" && ip link set "$PREFIX-$1" down && say "$1 is cut off"; }
plug_node() { check_node "$1" && ip link set "$PREFIX-$1" up && say "$1 is connected"; }

# The address plugin keeps a file per address in use. Of the others, all but so many get one of ours.
crowd_node() { # NODE [FREE]
  local node=$1 left=${2:-1} range address at
  check_node "$node"
  range=$(pod_range "$node")
  for at in $(seq 2 254); do
    address=$STATE/$node/ipam/pods/${range%.*}.$at
    if [ -e "$address" ]; then continue; fi
    if [ "$left" -gt 0 ]; then left=$((left - 1)); else echo crowd >"$address"; fi
  done
  say "$node has few free pod addresses"
}

uncrowd_node() {
  check_node "$1"
  grep -rlx crowd "$STATE/$1/ipam/pods" | xargs -r rm
  say "$1 has all its pod addresses"
}

enter_node() { # NODE COMMAND...
  local node=${1:?which node?}
  shift
  check_node "$node"
  [ $# -gt 0 ] || set -- bash
  exec env CONTAINERD_ADDRESS="$STATE/$node/containerd.sock" CONTAINERD_NAMESPACE=k8s.io \
    nsenter -t "$(machine_init "$node")" --mount --pid --net --uts -- "$@"
}
