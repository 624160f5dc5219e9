/** Where the program stands among those of the node's network, and its name in a network's configuration. */
export const pluginType = 'weft-cni';
/** The tools it is written for, beside it. A program of this name takes the name of a tool as its first argument. */
export const toolsName = 'busybox-weft';

export interface PluginPlace {
  /** Folder of programs on the node: `/opt/cni/bin`. */
  readonly programFolder: string;
  /** Folder that the plugin and the agent share: `/run/weft-cni`. */
  readonly callFolder: string;
  /** Pods of these start without an agent: the agent's own, and what a node cannot be without. */
  readonly excludedNamespaces: readonly string[];
}

/**
 * The result of the plugins before ours, cut out of the configuration as it stands there: one walk over the characters, which knows
 * strings and depth, so that neither a name nor a value can pass for it.
 */
const previousResult = `
{ text = text $0 "\\n" }
END {
  depth = 0; inside = 0; from = 0; key = ""
  for (at = 1; at <= length(text); at++) {
    char = substr(text, at, 1)
    if (inside) {
      if (char == "\\\\") at++
      else if (char == "\\"") { inside = 0; if (depth == 1 && !from) key = substr(text, began, at - began) }
      continue
    }
    if (char == "\\"") { inside = 1; began = at + 1 }
    else if (char == "{" || char == "[") { depth++; if (depth == 2 && key == "prevResult" && !from) from = at }
    else if (char == "}" || char == "]") { depth--; if (depth == 1 && from) { print substr(text, from, at - from + 1); exit 0 } }
    else if (char == "," && depth == 1) key = ""
  }
  exit 1
}`;

/**
 * The plugin: what a container runtime starts on the node for each pod, as the network interface specification says (CNI 1.1, and
 * back to 0.3). It decides nothing. It lays the call down in a folder, rings the agent's bell, waits for its answer and passes it on.
 *
 * A node has no Node.js, and may have no shell either: the script is one for the tools that stand beside it, a static program.
 * Named pipes are what those can wait on; a socket they cannot speak to.
 *
 * Without an agent a pod that is to be captured must not start: the plugin fails, and the kubelet tries again. Only pods of
 * excluded namespaces pass. A pod that goes is never held back.
 */
export function writePluginScript({ programFolder, callFolder, excludedNamespaces }: PluginPlace): string {
  const tools = `${programFolder}/${toolsName}`;
  const excluded = excludedNamespaces.length === 0 ? '""' : excludedNamespaces.join('|');
  return `#!${tools} sh
# ${pluginType}: leads traffic of pods to their sidecars. Written by the agent of Weft on this node, which answers; it goes with it.
tools=${tools}
calls=${callFolder}
umask 077
export LC_ALL=C

conf=$($tools cat)

fail() {
  printf '{"cniVersion":"1.0.0","code":%s,"msg":"%s"}\\n' "$1" "$2"
  exit 1
}

pass() {
  printf '%s\\n' "$conf" | $tools awk '${previousResult}' || fail 7 "the configuration holds no prevResult: ${pluginType} comes after the plugin that makes the network"
  exit 0
}

away() {
  case "$CNI_COMMAND" in DEL) exit 0 ;; esac
  fail 11 "the agent of Weft on this node does not answer: a pod that has a sidecar would start without its traffic led through it; look at the DaemonSet weft-cni"
}

case "$CNI_COMMAND" in
  VERSION)
    printf '{"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\\n'
    exit 0 ;;
  ADD | CHECK | DEL) ;;
  *) exit 0 ;;
esac

case "$CNI_ARGS" in
  *K8S_POD_NAMESPACE=*)
    namespace=\${CNI_ARGS#*K8S_POD_NAMESPACE=}
    namespace=\${namespace%%;*} ;;
  *) namespace= ;;
esac
case "$namespace" in
  ${excluded})
    case "$CNI_COMMAND" in ADD) pass ;; esac
    exit 0 ;;
esac

[ -p "$calls/door" ] || away
call=$($tools mktemp -d "$calls/calls/XXXXXX" 2>/dev/null) || away
trap '$tools rm -rf "$call"' EXIT
printf '%s\\n' "$conf" > "$call/conf"
printf '%s\\n' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" > "$call/call"
$tools mkfifo "$call/bell" || away
# Both ways open: neither end waits for the other.
exec 3<>"$call/bell" 4<>"$calls/door"
printf '%s\\n' "\${call##*/}" >&4
IFS= read -r -t 2 heard <&3 || away
IFS= read -r -t 60 code <&3 || fail 11 "the agent of Weft on this node took longer than a minute"
$tools cat "$call/result"
exit "$code"
`;
}
