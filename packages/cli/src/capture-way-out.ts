/** What to do where no rules lead to the proxy of a pod. */
export const uncapturedWayOut =
  'in a cluster the agent of the node writes the rules as the pod starts (DaemonSet weft-cni), and a pod that came before it has to start again';
