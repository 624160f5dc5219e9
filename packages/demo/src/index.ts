export { type DemoOptions, readDemoOptions } from './demo-options.ts';
