/** Adds what was being opened to the system's error. */
export async function named<T>(what: string, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (error) {
    throw new Error(`${what} cannot listen: ${describeListenFault(error)}`, { cause: error });
  }
}

/** A system's error of a listener, as a clause for a person. */
export function describeListenFault(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') return `port ${port ?? ''} is taken; stop the other program or choose another port`;
  if (code === 'EACCES') return `port ${port ?? ''} needs a privilege; choose one above 1023`;
  return message;
}
