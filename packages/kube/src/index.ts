export { customResources } from './crd/custom-resource.ts';
