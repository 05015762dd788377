# Runs etcd and kube-apiserver until the standard input ends, which it does with the process that started this
# script, however that ends. Nothing stays behind then: no process and no file.
# Usage: server.sh BINARIES FOLDER ETCD_PORT PEER_PORT API_PORT
set -u
binaries=$1 folder=$2 etcd=http://127.0.0.1:$3 peer=http://127.0.0.1:$4 port=$5
# Whoever presses Ctrl-C stops the tests; this script ends after them.
trap '' INT TERM HUP
cd "$folder" || exit 1

"$binaries/etcd" --data-dir etcd --unsafe-no-fsync --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" \
    >etcd.log 2>&1 &
first=$!
"$binaries/kube-apiserver" --etcd-servers "$etcd" --bind-address 127.0.0.1 --secure-port "$port" --cert-dir certs \
    --token-auth-file tokens.csv --authorization-mode RBAC \
    --service-account-issuer https://tests.invalid --service-account-key-file account.crt \
    --service-account-signing-key-file account.key --disable-admission-plugins ServiceAccount \
    --service-cluster-ip-range 10.99.0.0/16 --endpoint-reconciler-type none \
    --audit-policy-file audit.json --audit-log-path audit.log >api.log 2>&1 &
second=$!

read -r _
kill -9 "$first" "$second"
wait
rm -rf "$folder"
