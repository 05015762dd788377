# shellcheck shell=bash
# The control plane: a machine with etcd, kube-apiserver, -controller-manager, -scheduler and CoreDNS.

start_control_plane() {
  if ! machine_runs control; then
    write_control_plane
    start_machine control "$CONTROL_IP"
  fi
  wait_until 90 api_is_ready ||
    die "the API server is not ready: $(tail -qn 3 "$STATE/log/control-kube-apiserver.log" "$STATE/log/control-etcd.log")"
  create_storage_class
}

api_is_ready() { "$BIN/kubectl" --kubeconfig "$ADMIN" --request-timeout=2s get --raw /readyz; }

write_control_plane() {
  write_audit_policy
  daemon control etcd "$BIN/etcd" --data-dir "$STATE/control/etcd" --unsafe-no-fsync --log-level=warn
  local flags api_is_up
  read -r -d '' -a flags <<<"$(apiserver_flags)" || true
  daemon control kube-apiserver "$BIN/kube-apiserver" "${flags[@]}"
  api_is_up="$BIN/kubectl --kubeconfig $ADMIN --request-timeout=2s get --raw /readyz"
  daemon_after control kube-controller-manager "$api_is_up" "$BIN/kube-controller-manager" \
    --kubeconfig="$STATE/kube-controller-manager.kubeconfig" --leader-elect=false --use-service-account-credentials=true \
    --service-account-private-key-file="$PKI/service-accounts.key" --root-ca-file="$PKI/ca.crt" \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --enable-hostpath-provisioner=true --node-monitor-grace-period=20s
  daemon_after control kube-scheduler "$api_is_up" "$BIN/kube-scheduler" \
    --kubeconfig="$STATE/kube-scheduler.kubeconfig" --leader-elect=false
  write_corefile
  daemon_after control coredns "$api_is_up" "$BIN/coredns" -conf "$STATE/control/Corefile"
  write_volume_opener
}

# --enable-aggregator-routing makes the API server call webhooks at their pods' addresses: no
# kube-proxy is needed beside it.
apiserver_flags() {
  cat <<END
--etcd-servers=http://127.0.0.1:2379 --advertise-address=$CONTROL_IP --secure-port=6443
--service-cluster-ip-range=$SERVICES --allow-privileged=true --profiling=false --enable-aggregator-routing=true
--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction
--tls-cert-file=$PKI/apiserver.crt --tls-private-key-file=$PKI/apiserver.key --client-ca-file=$PKI/ca.crt
--service-account-issuer=https://kubernetes.default.svc.cluster.local
--service-account-key-file=$PKI/service-accounts.pub --service-account-signing-key-file=$PKI/service-accounts.key
--kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority=$PKI/ca.crt
--kubelet-client-certificate=$PKI/admin.crt --kubelet-client-key=$PKI/admin.key
--requestheader-client-ca-file=$PKI/ca.crt --requestheader-allowed-names=front-proxy
--requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group
--requestheader-extra-headers-prefix=X-Remote-Extra-
--proxy-client-cert-file=$PKI/front-proxy.crt --proxy-client-key-file=$PKI/front-proxy.key
--audit-policy-file=$STATE/control/audit.yaml --audit-log-path=$STATE/log/audit.jsonl
END
}

write_audit_policy() { # tests count API calls per user; kubelets would drown the rest
  mkdir -p "$STATE/control"
  cat >"$STATE/control/audit.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ["system:nodes"]}
- {level: Metadata}
END
}

write_corefile() {
  cat >"$STATE/control/Corefile" <<END
.:53 {
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $ADMIN
  }
  cache 5
}
END
}

# The built-in provisioner makes each volume's folder as root with mode 0750 and fsGroup does not apply
# to it, so no server that runs as another user could write. This opens new folders within 0.2 s.
write_volume_opener() {
  local file=$STATE/control/daemons/volume-opener
  cat >"$file" <<END
#!/usr/bin/env bash
shopt -s nullglob
declare -A opened
exec {silence}<> <(:) # reading from it with a timeout sleeps without a process
while :; do
  for folder in "$STATE"/volumes/*/; do
    [ -n "\${opened[\$folder]:-}" ] || { chmod 0777 "\$folder" && opened[\$folder]=1; }
  done
  read -r -t 0.2 -u "\$silence"
done
END
  chmod +x "$file"
}

create_storage_class() {
  "$BIN/kubectl" --kubeconfig "$ADMIN" apply -f - >/dev/null <<'END'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
reclaimPolicy: Delete
END
}
