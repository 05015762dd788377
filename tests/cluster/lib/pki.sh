# shellcheck shell=bash
# Certificates and kubeconfigs. One authority, made anew with every fresh state.

PKI=$STATE/pki

make_certificates() {
  mkdir -p "$PKI"
  [ ! -f "$PKI/done" ] || return 0
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=cluster-ca \
    -keyout "$PKI/ca.key" -out "$PKI/ca.crt" 2>/dev/null
  openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/service-accounts.key"
  openssl ec -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub" 2>/dev/null
  local service=DNS:kubernetes.default name
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,$service,$service.svc,$service.svc.cluster.local,IP:127.0.0.1,IP:$CONTROL_IP,IP:$FIRST_SERVICE_IP"
  certificate front-proxy /CN=front-proxy DNS:front-proxy
  certificate admin /O=system:masters/CN=admin DNS:admin
  for name in kube-controller-manager kube-scheduler kube-proxy; do
    certificate "$name" "/CN=system:$name" "DNS:$name"
  done
  for name in admin kube-controller-manager kube-scheduler kube-proxy; do kubeconfig "$name"; done
  touch "$PKI/done"
}

certificate() { # NAME SUBJECT ALTERNATIVE-NAMES -> $PKI/NAME.crt and .key, good for both ends of a connection
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
    -keyout "$PKI/$1.key" -out "$PKI/$1.csr" 2>/dev/null
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") -out "$PKI/$1.crt" 2>/dev/null
}

kubeconfig() { # NAME -> $STATE/NAME.kubeconfig, self-contained
  local ca crt key
  ca=$(base64 -w0 "$PKI/ca.crt") crt=$(base64 -w0 "$PKI/$1.crt") key=$(base64 -w0 "$PKI/$1.key")
  cat >"$STATE/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: redis-operator-local
contexts: [{name: redis-operator-local, context: {cluster: local, user: $1}}]
clusters: [{name: local, cluster: {server: "https://$CONTROL_IP:6443", certificate-authority-data: $ca}}]
users: [{name: $1, user: {client-certificate-data: $crt, client-key-data: $key}}]
END
  chmod 600 "$STATE/$1.kubeconfig"
}
