# A server of the tests: a prepared root folder and nothing else. No script stands between Kubernetes
# and the server, so a test sees exactly what the operator configured.
FROM scratch
COPY . /
ENV PATH=/usr/local/bin:/bin
WORKDIR /data
EXPOSE 6379
CMD ["redis-server"]
