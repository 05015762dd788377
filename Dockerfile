# One static file on nothing: `make image` puts the binary where COPY takes it from.
FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="redis-operator" \
      org.opencontainers.image.description="Kubernetes operator and admission webhook for Redis and Valkey with Sentinel" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY target/image/redis-operator /redis-operator
USER 65532:65532
ENTRYPOINT ["/redis-operator"]
