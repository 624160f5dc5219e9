/** So many of so many, as a bar and in words. */
export function Progress({ done, all, name }: { readonly done: number; readonly all: number; readonly name: string }) {
  return (
    <span class={`progress ${done < all ? 'warn' : 'good'}`}>
      <progress value={done} max={Math.max(1, all)} aria-label={`${done} of ${all} ${name}`} />
      <span>
        {done} of {all} <span class="soft">{name}</span>
      </span>
    </span>
  );
}
