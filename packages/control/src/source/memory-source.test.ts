import { MemorySource } from './memory-source.ts';
import { testSource } from './source-contract.ts';

testSource('memory', (_, texts) => {
  const source = new MemorySource(texts);
  return {
    source,
    write: (place, text) => source.put(place, text),
    remove: (place) => source.remove(place),
  };
});
