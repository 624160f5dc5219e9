#!/weft/node/busybox sh
# Ends when the proxy of this container is ready. After a minute it fails with what the proxy says of itself, which the kubelet
# shows as the state of the container. A shell, because a second Node beside one that starts would take as long as what it waits for.
tools=/weft/node/busybox
host=${WEFT_METRICS_HOST:-127.0.0.1}
port=${WEFT_METRICS_PORT:-15020}
said='it does not answer yet'
tries=0
while [ "$tries" -lt 3000 ]; do
  tries=$((tries + 1))
  answer=$(printf 'GET /ready HTTP/1.1\r\nhost: ready\r\nconnection: close\r\n\r\n' | $tools nc -w 2 "$host" "$port" 2>/dev/null)
  case "$answer" in
    'HTTP/1.1 200 '*) exit 0 ;;
    HTTP/*) said=$(printf '%s' "$answer" | $tools tail -n 1) ;;
  esac
  $tools usleep 20000
done
echo "weft: the sidecar is not ready after a minute: $said; see its log" >&2
exit 1
