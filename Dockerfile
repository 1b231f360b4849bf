# The reflector, a static binary and nothing else. Its ports are above 1024 or, in a container's own network namespace,
# open to every user, so it needs no capability:
#
#   docker build -t nofixup-reflector .
#   docker run --network host --read-only --cap-drop ALL --security-opt no-new-privileges nofixup-reflector \
#     --host 203.0.113.10 --https :8443
#
# Use the host's network: a container network's own NAT and proxy would be part of what is measured.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /nofixup-reflector ./cmd/nofixup-reflector

FROM scratch
COPY --from=build /nofixup-reflector /nofixup-reflector
USER 65532:65532
EXPOSE 443/tcp 80/tcp 5060/udp 5060/tcp 5061/udp 5061/tcp 1719/udp 1720/tcp 11000-11031/tcp 15060/udp 15060/tcp
ENTRYPOINT ["/nofixup-reflector"]
