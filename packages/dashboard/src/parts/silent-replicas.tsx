import type { AskedReplica } from '@weft/wire';

/** Whose sidecars are missing in what is shown, and why; nothing where all have answered. What is missing is not nothing. */
export function SilentReplicas({ replicas }: { readonly replicas: readonly AskedReplica[] }) {
  const silent = replicas.filter((one) => one.silent !== '');
  if (silent.length === 0) return null;
  return (
    <div class="partial" role="status">
      <b>
        {silent.length === replicas.length ? silent.length : `${silent.length} of ${replicas.length}`}{' '}
        {replicas.length === 1 ? 'replica' : 'replicas'} of the control plane not reached
      </b>
      : what its sidecars know is missing here; sums are of the others only.
      <ul>
        {silent.map(({ replica, silent: why }) => (
          <li key={replica}>
            {replica}: {why}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Of a document that is put together from several replicas; others have none. */
export function replicasOf(value: unknown): readonly AskedReplica[] {
  if (typeof value !== 'object' || value === null) return [];
  const { replicas } = value as { readonly replicas?: readonly AskedReplica[] };
  return replicas ?? [];
}
