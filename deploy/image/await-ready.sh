#!/weft/node/busybox sh
# Ends when the proxy of this container is ready. After half a minute it fails, and the kubelet starts the container again; why
# stands in the state of the container that ended. No longer, because a pod that is deleted meanwhile goes only when this has ended.
# A shell, because a second Node beside one that starts would take as long as what it waits for.
tools=/weft/node/busybox
host=${WEFT_METRICS_HOST:-127.0.0.1}
port=${WEFT_METRICS_PORT:-15020}
patience=30

seconds() {
  read -r up rest </proc/uptime
  now=${up%%.*}
}

seconds
end=$((now + patience))
said='no answer, so it has no certificate yet, or no control plane in reach'
while [ "$now" -lt "$end" ]; do
  answer=$(printf 'GET /ready HTTP/1.1\r\nhost: ready\r\nconnection: close\r\n\r\n' | $tools nc -w 2 "$host" "$port" 2>/dev/null)
  case "$answer" in
    'HTTP/1.1 200 '*) exit 0 ;;
    HTTP/*) said=$(printf '%s' "$answer" | $tools tail -n 1) ;;
  esac
  $tools usleep 20000
  seconds
done
echo "the sidecar is not ready after $patience s: $said; see its log" >/dev/termination-log
exit 1
