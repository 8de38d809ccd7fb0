# A static program, and an image that holds it and nothing else.

FROM golang:1.26 AS build
WORKDIR /src
# Where go gets modules from, if not from its default:
# docker build --build-arg GOPROXY=...
ARG GOPROXY
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/bin/kissvdb ./cmd/kissvdb
# A volume takes its owner from the folder of the image it is mounted on.
RUN mkdir -p /out/owned/data

FROM scratch
COPY --from=build /out/bin/ /
COPY --from=build --chown=65532:65532 /out/owned/ /
USER 65532:65532
ENV DATA_DIR=/data BIND_ADDR=0.0.0.0
VOLUME /data
# The API, and the port for peers.
EXPOSE 9917 9918
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/kissvdb", "health", "--ready"]
ENTRYPOINT ["/kissvdb"]
CMD ["serve"]
