import { nftTable } from '@weft/capture';

/** Where the program stands among those of the node's network, and its name in a network's configuration. */
export const pluginType = 'weft-cni';
/** Folder beside it with the tools that it is written for; of the node's own it needs none. */
export const toolsFolder = 'weft-cni.d';
/** A program of this name takes the name of a tool as its first argument. */
export const toolsName = 'busybox';

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
 * back to 0.3). It decides nothing. For a pod that comes it lays the call down in a folder, rings the agent's bell, waits for what
 * to write, and writes that into the network of the pod, where a runtime starts plugins to do such things: the agent itself needs
 * no privilege for it.
 *
 * A node has no Node.js, and may have neither a shell nor nft: the script is one for the tools that stand beside it, a static
 * busybox and nft with its libraries and loader. Named pipes are what those can wait on; a socket they cannot speak to.
 *
 * Without an agent a pod that is to be captured must not start: the plugin fails, and the kubelet tries again. Only pods of
 * excluded namespaces pass. A pod that goes is never held back.
 */
export function writePluginScript({ programFolder, callFolder, excludedNamespaces }: PluginPlace): string {
  const home = `${programFolder}/${toolsFolder}`;
  const excluded = excludedNamespaces.length === 0 ? '""' : excludedNamespaces.join('|');
  return `#!${home}/${toolsName} sh
# ${pluginType}: leads traffic of pods to their sidecars. Written by the agent of Weft on this node, which answers; it goes with it.
home=${home}
tools=$home/${toolsName}
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
  fail 11 "the agent of Weft on this node does not answer: a pod that has a sidecar would start without its traffic led through it; look at the DaemonSet weft-cni"
}

# nft, in the network of the pod.
rules() {
  $tools nsenter --net="$CNI_NETNS" -- "$home/ld.so" --library-path "$home" "$home/nft" "$@"
}

case "$CNI_COMMAND" in
  VERSION)
    printf '{"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\\n'
    exit 0 ;;
  DEL)
    [ -e "$CNI_NETNS" ] && printf 'add table ${nftTable}\\ndelete table ${nftTable}\\n' | rules -f - >/dev/null 2>&1
    exit 0 ;;
  ADD | CHECK) ;;
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
if [ "$code" = 0 ] && [ -e "$call/rules" ]; then
  case "$CNI_COMMAND" in
    ADD)
      wrong="cannot be written"
      said=$(rules -f "$call/rules" 2>&1) ;;
    CHECK)
      wrong="are gone"
      said=$(rules list table ${nftTable} 2>&1) ;;
  esac || {
    case "$said" in
      *"cache initialization failed"* | *"initialize Netlink socket"* | *"rotocol not supported"* | *"peration not supported"*)
        wrong="$wrong, because the kernel of this node lacks nf_tables or a part of it: load nf_tables and nft_redir there, or have pods write their rules by legacy iptables (cni.enabled=false, sidecar.legacyIptables=true)" ;;
    esac
    said=$(printf '%s' "$said" | $tools tr -cs 'A-Za-z0-9.,:;()/_-' ' ' | $tools cut -c 1-300)
    fail 100 "weft: the rules of the pod $wrong: \${said% }"
  }
fi
$tools cat "$call/result"
exit "$code"
`;
}
