import { describe, test } from 'node:test';
import { CodecClient } from './client-subjects.ts';
import { hostileCases } from './hostile-cases.ts';
import { playCase } from './hostile-server.ts';

describe('a server that breaks the rules is told so by the client codec', () => {
  for (const hostile of hostileCases) {
    test(`RFC 9113 §${hostile.section}, ${hostile.name}: ${hostile.verdict}`, () =>
      playCase(new CodecClient(), hostile));
  }
});
