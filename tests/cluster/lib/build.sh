# shellcheck shell=bash
# The binaries: Debian packages for what Debian has, the Go module proxy for the rest.

PROGRAMS=(etcd helm coredns kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

build() { # [NAME...]: those programs alone, without Debian packages; by default all that the cluster needs
  local name
  [ $# -gt 0 ] || {
    install_packages
    set -- "${PROGRAMS[@]}"
  }
  for name in "$@"; do
    case $name in
      etcd) go_binary etcd "$ETCD" go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 ;;
      helm) go_binary helm "$HELM" helm.sh/helm/v3 helm.sh/helm/v3/cmd/helm ;;
      coredns) go_binary coredns "$COREDNS" github.com/coredns/coredns github.com/coredns/coredns ;;
      kube*) go_binary "$name" "$KUBERNETES" k8s.io/kubernetes "k8s.io/kubernetes/cmd/$name" ;;
      *) die "build: '$name' is none of: ${PROGRAMS[*]}" ;;
    esac
  done
}

install_packages() {
  local pair missing=()
  for pair in containerd:containerd runc:runc buildah:buildah ip:iproute2 iptables:iptables conntrack:conntrack \
    socat:socat busybox:busybox-static openssl:openssl pgrep:procps redis-cli:redis-tools; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ -d /usr/lib/cni ] || missing+=(containernetworking-plugins)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

go_binary() { # NAME VERSION MODULE PACKAGE: nothing to do when that version is there
  local name=$1 version=$2 module=$3 package=$4
  [ -x "$BIN/$name" ] && [ "$(cat "$BIN/$name.version" 2>/dev/null)" = "$version" ] && return
  command -v go >/dev/null || die "Go is needed to build $name"
  step "built $name $version" go_build "$name" "$version" "$module" "$package"
}

# Programs with `replace` lines in their go.mod cannot be had by `go install module@version`, so each
# is built from a throw-away module that requires it. Written under another name first: a killed build
# leaves no half of a binary.
go_build() {
  local name=$1 version=$2 module=$3 package=$4 folder=$CACHE/gomod/$1 flags
  mkdir -p "$folder"
  {
    printf 'module local/%s\n\ngo 1.25.0\n\nrequire %s v%s\n' "$name" "$module" "$version"
    [ "$module" != k8s.io/kubernetes ] || kubernetes_replacements
  } >"$folder/go.mod"
  flags="-s -w $(version_flags "$module" "$version")"
  (cd "$folder" && GOFLAGS=-mod=mod CGO_ENABLED=0 \
    go build -trimpath -ldflags "$flags" -o "$BIN/.$name" "$package" 2>"$folder/build.log") ||
    die "$name does not build: $(grep -v downloading "$folder/build.log" | tail -n 5)"
  mv "$BIN/.$name" "$BIN/$name"
  echo "$version" >"$BIN/$name.version"
}

version_flags() { # MODULE VERSION: what release builds set; without it kubelet is v0.0.0 and Helm renders for 1.20
  local base=k8s.io/component-base/version charts=helm.sh/helm/v3 minor
  minor=$(cut -d. -f2 <<<"$KUBERNETES")
  case $1 in
    k8s.io/kubernetes)
      echo "-X $base.gitVersion=v$2 -X $base.gitMajor=1 -X $base.gitMinor=$minor -X $base.gitTreeState=clean"
      ;;
    "$charts")
      echo "-X $charts/internal/version.version=v$2"
      echo "-X $charts/pkg/chartutil.k8sVersionMajor=1 -X $charts/pkg/chartutil.k8sVersionMinor=$minor"
      ;;
  esac
}

kubernetes_replacements() { # its go.mod points at ./staging; the proxy has those modules as v0.MINOR.PATCH
  local source
  source=$(cd "$CACHE" && GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$KUBERNETES" |
    sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  echo 'replace ('
  sed -nE "s#^\s*(\S+) => ./staging.*#\t\1 => \1 v0.${KUBERNETES#1.}#p" "$source/go.mod"
  echo ')'
}
